// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "orbit/testkit/network.hpp"

#include <utility>

#include "network_impl.hpp"
#include "orbit/testkit/node.hpp"

namespace orbit::testkit {

namespace {

kernel::Direction way(Direction direction) { return static_cast<kernel::Direction>(direction); }

}  // namespace

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;
Connection::~Connection() = default;

void Connection::send(std::string_view bytes) { impl_->client->send(bytes); }

std::string Connection::receive(size_t bytes) {
  if (Node* const node = impl_->network->node) node->run_until([&] { return received().size() >= bytes || closed(); });
  return take(bytes);
}

std::string Connection::receive_until(std::string_view end) {
  size_t looked = 0;
  size_t found = std::string::npos;
  if (Node* const node = impl_->network->node)
    node->run_until([&] {
      found = received().find(end, looked);
      looked = received().size() < end.size() ? 0 : received().size() - end.size() + 1;
      return found != std::string::npos || closed();
    });
  return take(found == std::string::npos ? found : found + end.size());
}

std::string Connection::receive_rest() {
  if (Node* const node = impl_->network->node) node->run_until([&] { return closed(); });
  return take();
}

const std::string& Connection::received() const { return impl_->client->received(); }

std::string Connection::take(size_t bytes) {
  std::string& received = impl_->client->received();
  if (bytes >= received.size()) return std::exchange(received, {});
  std::string out = received.substr(0, bytes);
  received.erase(0, bytes);
  return out;
}

void Connection::finish() { impl_->client->finish(); }
void Connection::close() { impl_->client->close(); }
void Connection::reset() { impl_->client->reset(); }
void Connection::stop_reading() { impl_->client->stop_reading(); }
void Connection::read_again() { impl_->client->read_again(); }

bool Connection::closed() const { return impl_->client->peer_finished() || !impl_->client->is_open(); }
bool Connection::was_reset() const { return impl_->client->was_reset(); }
size_t Connection::unsent_bytes() const { return impl_->client->unsent_bytes(); }
std::string Connection::address() const { return impl_->client->address(); }

Network::Network() = default;
Network::~Network() = default;

void Network::set_delay(std::chrono::milliseconds min, std::chrono::milliseconds max) {
  impl_->configure([&](kernel::SimNetworkOptions& how) {
    how.delay_min_ns = ns(min);
    how.delay_max_ns = ns(max);
  });
}
void Network::set_piece_bytes(size_t min, size_t max) {
  impl_->configure([&](kernel::SimNetworkOptions& how) {
    how.piece_bytes_min = min;
    how.piece_bytes_max = max;
  });
}
void Network::set_window_bytes(size_t bytes) {
  impl_->configure([&](kernel::SimNetworkOptions& how) { how.window_bytes = bytes; });
}
void Network::set_reset_chance(double chance) {
  impl_->configure([&](kernel::SimNetworkOptions& how) { how.reset_chance = chance; });
}

void Network::partition(const Connection& connection, Direction direction) {
  impl_->network.partition(*connection.impl_->client, way(direction));
}
void Network::partition(std::string_view host, Direction direction) {
  impl_->network.partition(std::string(host), way(direction));
}
void Network::heal(const Connection& connection) { impl_->network.heal(*connection.impl_->client); }
void Network::heal(std::string_view host) { impl_->network.heal(std::string(host)); }
void Network::heal() { impl_->network.heal(); }
void Network::vanish(const Connection& connection) { impl_->network.vanish(*connection.impl_->client); }

}  // namespace orbit::testkit
