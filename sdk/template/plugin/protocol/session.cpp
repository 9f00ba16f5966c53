#include "session.hpp"

#include <exception>
#include <memory>
#include <string>
#include <utility>

namespace @name@ {

size_t Session::received(orbit::Bytes data) {
  in_received_ = true;
  const size_t consumed = codec_.received(data);
  in_received_ = false;
  if (codec_.waiting()) connection().pause();
  return consumed;
}

void Session::write(std::string_view bytes) {
  connection().write(bytes);
  server_.metrics->add(server_.answers, 1);
}

void Session::call(const CallRequest& request) {
  // The idle timeout is for a silent client, not for a long call.
  connection().set_idle_timeout(0);
  const uint64_t deadline_ns = server_.workers->monotonic_ns(server_.host.raw()) + server_.call_timeout_ms * 1'000'000;
  // Weak: the connection may close before the answer comes, and takes this session with it.
  auto waiting = std::make_unique<std::weak_ptr<ConnectionHandler>>(weak_from_this());
  server_.actors->call_json(
      orbit::to_c(request.type), orbit::to_c(request.key), orbit::to_c(request.method), orbit::to_c(request.json),
      deadline_ns,
      [](void* ctx, orbit_code code, orbit_bytes json_or_message) {
        const std::unique_ptr<std::weak_ptr<ConnectionHandler>> waiting(
            static_cast<std::weak_ptr<ConnectionHandler>*>(ctx));
        if (const auto session = waiting->lock())
          static_cast<Session&>(*session).answered(code, orbit::from_c(json_or_message));
      },
      waiting.release());
}

void Session::answered(orbit_code code, orbit::Bytes json_or_message) noexcept try {
  connection().set_idle_timeout(server_.idle_timeout_ms);
  if (code == ORBIT_OK)
    codec_.answer(json_or_message);
  else
    codec_.answer_error(orbit::code_name(code), json_or_message);
  // A refusal may come at once, from inside received: the codec then goes on by itself.
  if (!in_received_) connection().resume();
} catch (const std::exception& e) {
  // The kernel called, and must not see it.
  server_.host.error(std::string("connection closed: its answer failed: ") + e.what());
  connection().close();
}

}  // namespace @name@
