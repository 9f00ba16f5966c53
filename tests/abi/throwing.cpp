// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A plugin in C++ whose functions throw, as its settings say: written with the SDK's classes, which see to it that
// nothing of that crosses the edge. It is a storage engine that keeps nothing and a protocol that answers nothing in
// one.
#include <orbit/ext/listeners.h>
#include <orbit/net.hpp>
#include <orbit/plugin.hpp>
#include <orbit/storage.hpp>

#include <chrono>
#include <filesystem>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>

namespace {

using orbit::Bytes;
using orbit::Result;

constexpr const char* kWhere[] = {"nothing",  "create", "extension", "start",     "stop", "get",
                                  "received", "late",   "held",      "announces", nullptr};

constexpr std::chrono::milliseconds kGatePoll{5};

[[noreturn]] void fail_at(const char* where) { throw std::runtime_error(std::string("thrown by ") + where); }

class Engine final : public orbit::Storage {
 public:
  explicit Engine(std::string where) : where_(std::move(where)) {}
  Result<bool> get(const orbit::StorageSnapshot*, Bytes, orbit::ValueSink) override {
    if (where_ == "get") fail_at("get");
    return false;
  }
  Result<> multi_get(const orbit::StorageSnapshot*, orbit::KeyList, orbit::VisitValue) override { return {}; }
  Result<> scan(const orbit::StorageSnapshot*, Bytes, Bytes, bool, orbit::VisitEntry) override { return {}; }
  Result<> write(orbit::WriteOps, bool) override { return {}; }
  Result<> sync() override {
    if (stopped) return orbit::fail(orbit::Code::unavailable, "stopped");
    return {};
  }
  uint64_t size_bytes() override { return 0; }

  bool stopped = false;  // its plugin is

 private:
  const std::string where_;
};

struct Shared {
  std::string where;
  std::string gate;
};

class Line final : public orbit::ConnectionHandler {
 public:
  Line(orbit::Connection connection, Shared& shared) : ConnectionHandler(std::move(connection)), shared_(shared) {}
  size_t received(Bytes data) override {
    if (shared_.where == "received") fail_at("received");
    while (shared_.where == "held" && !std::filesystem::exists(shared_.gate)) std::this_thread::sleep_for(kGatePoll);
    connection().write(data);
    return data.size();
  }

 private:
  Shared& shared_;
};

class Throwing final : public orbit::StoragePlugin<Throwing, Engine> {
 public:
  static constexpr orbit::Option kOptions[] = {
      orbit::option_string("where", "\"nothing\"", "The function that throws.", kWhere),
      {sizeof(orbit_option), ORBIT_OPTION_NUMBER, 0, 0, "odd", "1", "Bytes that are no UTF-8: \xff.", nullptr, 0,
       std::numeric_limits<double>::infinity()},
      orbit::option_string("listen", "\"\"", "Where it echoes; empty: nowhere."),
      orbit::option_string(
          "gate", "\"\"",
          "late, announces: the file that its start waits for before it listens, or says that a transport of "
          "its own does; held: that received waits for."),
  };
  static constexpr orbit::PluginInfo kInfo{.id = "test.throwing",
                                           .version = "0.1.0",
                                           .doc = "Throws.",
#ifdef THROWING_WIRE
                                           .provides = {},
#else
                                           .provides = orbit::storage_provides<Engine>(),
#endif
                                           .options = kOptions};

  Throwing(orbit::Host host, const orbit::Config& config)
      : StoragePlugin(std::make_unique<Engine>(config.string("where"))),
        host_(host),
        shared_{config.string("where"), config.string("gate")},
        address_(config.string("listen")) {
    if (shared_.where == "create") fail_at("create");
  }

  const void* extension(std::string_view id) override {
    if (shared_.where == "extension") fail_at("extension");
    return StoragePlugin::extension(id);
  }
  Result<> start() override {
    const bool announces = shared_.where == "announces";
    while ((shared_.where == "late" || announces) && !std::filesystem::exists(shared_.gate))
      std::this_thread::sleep_for(kGatePoll);
    if (announces) {
      const auto* const listeners = host_.require<orbit_listeners_v1>(ORBIT_LISTENERS_V1);
      listeners->announce(host_.raw(), address_.c_str());
      orbit_listen_options options{};
      options.struct_size = sizeof options;
      options.address = address_.c_str();
      listeners->announce_with(host_.raw(), &options);
      host_.info("has announced");
    } else if (!address_.empty()) {
      auto listener = orbit::listen<Line>(host_, {.address = address_}, shared_);
      if (!listener) {
        host_.error("cannot listen: " + listener.error().message);
        return tl::unexpected<orbit::Error>(listener.error());
      }
      listener_ = std::move(*listener);
    }
    if (shared_.where == "start") fail_at("start");
    return {};
  }
  void stop() override {
    engine().stopped = true;
    if (shared_.where == "stop") fail_at("stop");
    if (shared_.where != "start") listener_.stop();  // a start that failed leaves open what it opened
  }

 private:
  orbit::Host host_;
  Shared shared_;
  std::string address_;
  orbit::Listener listener_;
};

}  // namespace

ORBIT_PLUGIN(Throwing)
