// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "net/sim_network.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "executor/current_worker.hpp"
#include "net/os_sockets.hpp"

namespace orbit::kernel {

namespace {

constexpr uint64_t kNever = UINT64_MAX;
constexpr uint32_t kAlwaysTold = EPOLLERR | EPOLLHUP;

uint16_t port_of(const SocketAddress& address) {
  return ntohs(address.raw.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}
void set_port(SocketAddress& address, uint16_t port) {
  (address.raw.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port) = htons(port);
}
bool is_any(const SocketAddress& address) {
  return address.raw.sa_family == AF_INET6 ? IN6_IS_ADDR_UNSPECIFIED(&address.v6.sin6_addr)
                                           : address.v4.sin_addr.s_addr == htonl(INADDR_ANY);
}
bool same_host(const SocketAddress& a, const SocketAddress& b) {
  if (a.raw.sa_family != b.raw.sa_family) return false;
  return a.raw.sa_family == AF_INET6 ? IN6_ARE_ADDR_EQUAL(&a.v6.sin6_addr, &b.v6.sin6_addr)
                                     : a.v4.sin_addr.s_addr == b.v4.sin_addr.s_addr;
}
// Whether one socket that listens at both would be in the way of the other.
bool overlap(const SocketAddress& a, const SocketAddress& b) {
  return port_of(a) == port_of(b) && a.raw.sa_family == b.raw.sa_family && (is_any(a) || is_any(b) || same_host(a, b));
}

int refuse(int error) noexcept {
  errno = error;
  return -1;
}

uint8_t bits(Direction direction) { return static_cast<uint8_t>(direction); }

}  // namespace

// ---- pollers
// ---------------------------------------------------------------------------------------------------------

int SimPoller::add(int fd, uint32_t events, Pollable* pollable) noexcept {
  watched_[fd] = {.wanted = events, .events = 0, .pollable = pollable};
  network_.watch(fd, this);
  return 0;
}

void SimPoller::modify(int fd, uint32_t events, Pollable* pollable) noexcept {
  Watched& watched = watched_.at(fd);
  watched.wanted = events;
  watched.pollable = pollable;
  look(fd, watched);
}

void SimPoller::remove(int fd, Pollable*) noexcept {
  forget(fd);
  network_.watch(fd, nullptr);
}

void SimPoller::forget(int fd) noexcept {
  watched_.erase(fd);
  ready_.erase(fd);
}

void SimPoller::update(int fd, uint32_t events) noexcept {
  Watched& watched = watched_.at(fd);
  watched.events = events;
  look(fd, watched);
}

void SimPoller::look(int fd, const Watched& watched) noexcept {
  if ((watched.events & (watched.wanted | kAlwaysTold)) != 0)
    ready_.insert(fd);
  else
    ready_.erase(fd);
}

bool SimPoller::step() noexcept {
  if (ready_.empty()) return false;
  const auto chosen = std::next(ready_.begin(), static_cast<std::ptrdiff_t>(network_.random().below(ready_.size())));
  const Watched watched = watched_.at(*chosen);
  watched.pollable->ready(watched.events & (watched.wanted | kAlwaysTold));
  executor_.wake(worker_);
  return false;
}

// ---- what is on its way
// ------------------------------------------------------------------------------------------------

SimNetwork::SimNetwork(const SimNetworkOptions& options) : options_(options), random_(options.seed) {}
SimNetwork::~SimNetwork() = default;

void SimNetwork::configure(const SimNetworkOptions& options) { options_ = options; }

bool SimNetwork::Mover::step() noexcept {
  network_.deliver_one();
  return false;
}

void SimNetwork::trace(uint64_t value) {
  if (executor_ != nullptr) executor_->trace(value);
}

uint64_t SimNetwork::delay_ns() {
  const uint64_t spread =
      options_.delay_max_ns > options_.delay_min_ns ? options_.delay_max_ns - options_.delay_min_ns : 0;
  return options_.delay_min_ns + (spread == 0 ? 0 : random_.below(spread + 1));
}

// Of every magnitude as often: a byte at a time, and all at once.
size_t SimNetwork::piece_bytes() {
  const size_t least = std::max<size_t>(options_.piece_bytes_min, 1);
  const size_t most = std::max(options_.piece_bytes_max, least);
  const auto low = static_cast<uint64_t>(std::bit_width(least));
  const auto magnitude = low + random_.below(static_cast<uint64_t>(std::bit_width(most)) - low + 1);
  const size_t from = size_t{1} << (magnitude - 1);
  return std::clamp(from + static_cast<size_t>(random_.below(from)), least, most);
}

bool SimNetwork::blocked(const Link& link, bool to_node) const {
  if (link.vanished || (to_node ? link.to_node : link.to_client).partitioned || (to_node && unreachable_)) return true;
  const auto host = partitioned_hosts_.find(link.host);
  return host != partitioned_hosts_.end() &&
         (host->second & bits(to_node ? Direction::to_node : Direction::from_node)) != 0;
}

uint64_t SimNetwork::next_ns() const noexcept {
  if (next_known_) return next_ns_;
  next_known_ = true;
  next_ns_ = kNever;
  for (const auto& link : links_)
    for (const bool to_node : {true, false}) {
      const Wire& wire = to_node ? link->to_node : link->to_client;
      if (!wire.segments.empty() && !blocked(*link, to_node))
        next_ns_ = std::min(next_ns_, wire.segments.front().arrival_ns);
    }
  return next_ns_;
}

// A timer only makes time pass; what is due then is delivered in the mover's rounds.
void SimNetwork::schedule() {
  next_known_ = false;
  if (executor_ == nullptr) return;
  const uint64_t next = next_ns();
  if (next == kNever || next <= now_ns() || next >= timer_ns_) return;
  const CurrentWorkerScope scope(executor_, 0);
  if (timer_ != 0) executor_->cancel(timer_);
  timer_ns_ = next;
  timer_ = executor_->after(
      next - now_ns(),
      [](void* ctx) {
        auto* const self = static_cast<SimNetwork*>(ctx);
        self->timer_ = 0;
        self->timer_ns_ = kNever;
        self->schedule();
      },
      this);
}

void SimNetwork::put(Wire& wire, Segment::Kind kind, std::string bytes, size_t count) {
  if (kind == Segment::Kind::ack && !wire.segments.empty() && wire.segments.back().kind == kind) {
    wire.segments.back().count += count;
    return;
  }
  wire.last_arrival_ns = std::max(wire.last_arrival_ns, now_ns() + delay_ns());
  wire.segments.push_back({kind, wire.last_arrival_ns, std::move(bytes), count});
  schedule();
}

void SimNetwork::lose_some(Wire& wire) {
  wire.segments.resize(static_cast<size_t>(random_.below(wire.segments.size() + 1)));
  schedule();
}

void SimNetwork::put_reset(Wire& wire) {
  lose_some(wire);
  put(wire, Segment::Kind::reset);
}

void SimNetwork::cut(Link& link) {
  for (Wire* wire : {&link.to_node, &link.to_client}) {
    wire->segments.clear();
    put(*wire, Segment::Kind::reset);
  }
}

void SimNetwork::postpone(Link& link) {
  for (const bool to_node : {true, false}) {
    if (blocked(link, to_node)) continue;
    uint64_t earliest_ns = now_ns() + delay_ns();
    Wire& wire = to_node ? link.to_node : link.to_client;
    for (Segment& segment : wire.segments) {
      earliest_ns = std::max(earliest_ns, segment.arrival_ns);
      segment.arrival_ns = earliest_ns;
    }
    wire.last_arrival_ns = std::max(wire.last_arrival_ns, earliest_ns);
  }
  schedule();
}

bool SimNetwork::deliver_one() {
  const uint64_t now = now_ns();
  std::vector<std::pair<Link*, bool>> due;
  for (const auto& link : links_)
    for (const bool to_node : {true, false}) {
      const Wire& wire = to_node ? link->to_node : link->to_client;
      if (!wire.segments.empty() && wire.segments.front().arrival_ns <= now && !blocked(*link, to_node))
        due.emplace_back(link.get(), to_node);
    }
  if (due.empty()) return false;
  const auto [link, to_node] = due[random_.below(due.size())];
  Wire& wire = to_node ? link->to_node : link->to_client;
  Segment segment = std::move(wire.segments.front());
  wire.segments.pop_front();
  trace((static_cast<uint64_t>(segment.kind) << 40) | (static_cast<uint64_t>(to_node) << 32) |
        port_of(link->client_address));
  trace(std::hash<std::string>{}(segment.bytes));
  deliver(*link, to_node, std::move(segment));
  forget_dead_links();
  schedule();
  return true;
}

void SimNetwork::deliver(Link& link, bool to_node, Segment segment) {
  using Kind = Segment::Kind;
  if (segment.kind == Kind::syn) return accept_link(link);
  constexpr uint64_t kChances = uint64_t{1} << 32;
  if (segment.kind == Kind::data && options_.reset_chance > 0 &&
      random_.below(kChances) < static_cast<uint64_t>(options_.reset_chance * static_cast<double>(kChances)))
    return cut(link);
  const int fd = to_node ? link.node : link.client;
  Socket* const socket = find(fd);
  if (socket == nullptr || socket->reset) {
    // Nobody is there to take it.
    Wire& back = to_node ? link.to_client : link.to_node;
    const bool told = !back.segments.empty() && back.segments.back().kind == Kind::reset;
    if (socket == nullptr && segment.kind == Kind::data && !told) put(back, Kind::reset);
    return;
  }
  switch (segment.kind) {
    case Kind::data:
      socket->unread += segment.bytes.size();
      socket->pieces.push_back(std::move(segment.bytes));
      break;
    case Kind::fin:
      socket->fin_received = true;
      break;
    case Kind::reset:
      socket->reset = true;
      break;
    case Kind::ack:
      socket->unacked -= std::min(socket->unacked, segment.count);
      break;
    case Kind::syn:
      break;
  }
  changed(fd);
  if (socket->client != nullptr) socket->client->pump();
}

void SimNetwork::accept_link(Link& link) {
  const int listener = find_listener(link.node_address);
  if (listener < 0) return put(link.to_client, Segment::Kind::reset);
  Socket socket;
  socket.link = &link;
  socket.local = link.node_address;
  socket.peer = link.client_address;
  socket.window = find(link.client) != nullptr ? find(link.client)->window : options_.window_bytes;
  link.node = add_socket(std::move(socket));
  find(listener)->backlog.push_back(link.node);
  changed(listener);
}

void SimNetwork::forget_dead_links() noexcept {
  std::erase_if(links_, [](const auto& link) {
    return link->client < 0 && link->node < 0 &&
           (link->vanished || (link->to_node.segments.empty() && link->to_client.segments.empty()));
  });
}

// ---- sockets
// ---------------------------------------------------------------------------------------------------------

SimNetwork::Socket* SimNetwork::find(int fd) noexcept {
  const auto found = sockets_.find(fd);
  return found == sockets_.end() ? nullptr : &found->second;
}
const SimNetwork::Socket* SimNetwork::find(int fd) const noexcept {
  const auto found = sockets_.find(fd);
  return found == sockets_.end() ? nullptr : &found->second;
}

int SimNetwork::add_socket(Socket socket) {
  sockets_.emplace(next_fd_, std::move(socket));
  return next_fd_++;
}

void SimNetwork::drop_socket(int fd) noexcept {
  Socket* const socket = find(fd);
  if (socket->poller != nullptr) socket->poller->forget(fd);
  if (socket->link != nullptr) (socket->node_side ? socket->link->node : socket->link->client) = -1;
  sockets_.erase(fd);
}

int SimNetwork::find_listener(const SocketAddress& address) const {
  for (const auto& [fd, socket] : sockets_)
    if (socket.link == nullptr && !socket.shut && overlap(socket.local, address)) return fd;
  return -1;
}

uint32_t SimNetwork::events(int fd) const noexcept {
  const Socket* const socket = find(fd);
  if (socket == nullptr) return 0;
  if (socket->link == nullptr)
    return (socket->backlog.empty() ? 0u : EPOLLIN) | (socket->shut ? EPOLLIN | EPOLLHUP : 0u);
  uint32_t out = 0;
  if (socket->unread != 0 || socket->fin_received || socket->reset) out |= EPOLLIN;
  if (socket->fin_received || socket->reset) out |= EPOLLRDHUP;
  if (socket->reset) out |= EPOLLERR;
  if (socket->reset || (socket->fin_received && socket->fin_sent)) out |= EPOLLHUP;
  // Not for every byte that gets free: as Linux, when a third of it is.
  const size_t room = socket->window - std::min(socket->window, socket->unacked);
  if (socket->reset || socket->fin_sent || (room != 0 && room >= socket->window / 3)) out |= EPOLLOUT;
  return out;
}

void SimNetwork::watch(int fd, SimPoller* poller) noexcept {
  Socket* const socket = find(fd);
  if (socket == nullptr) return;
  socket->poller = poller;
  changed(fd);
}

void SimNetwork::changed(int fd) noexcept {
  const Socket* const socket = find(fd);
  if (socket != nullptr && socket->poller != nullptr) socket->poller->update(fd, events(fd));
}

Result<int> SimNetwork::listen(const SocketAddress& address, const std::string& text) {
  Socket socket;
  socket.local = address;
  if (port_of(address) == 0) {
    do set_port(socket.local, next_port_++);
    while (find_listener(socket.local) >= 0);
  } else if (find_listener(address) >= 0) {
    return cannot_listen(text, EADDRINUSE);
  }
  return add_socket(std::move(socket));
}

int SimNetwork::accept(int fd, SocketAddress* peer) noexcept {
  Socket* const listener = find(fd);
  if (listener == nullptr || listener->shut) return refuse(EINVAL);
  if (listener->backlog.empty()) return refuse(EAGAIN);
  const int accepted = listener->backlog.front();
  listener->backlog.pop_front();
  changed(fd);
  if (peer != nullptr) *peer = find(accepted)->peer;
  return accepted;
}

ssize_t SimNetwork::send(int fd, iovec* parts, size_t count) noexcept {
  Socket* const socket = find(fd);
  if (socket == nullptr || socket->link == nullptr) return refuse(EBADF);
  if (socket->reset) return refuse(ECONNRESET);
  if (socket->fin_sent) return refuse(EPIPE);
  size_t room = socket->window - std::min(socket->window, socket->unacked);
  if (room == 0) return refuse(EAGAIN);
  std::string data;
  for (size_t i = 0; i < count && room != 0; ++i) {
    const size_t size = std::min(room, parts[i].iov_len);
    data.append(static_cast<const char*>(parts[i].iov_base), size);
    room -= size;
  }
  Wire& wire = out_of(*socket);
  for (size_t at = 0; at < data.size();) {
    const size_t size = std::min(piece_bytes(), data.size() - at);
    put(wire, Segment::Kind::data, data.substr(at, size));
    at += size;
  }
  socket->unacked += data.size();
  changed(fd);
  return static_cast<ssize_t>(data.size());
}

ssize_t SimNetwork::receive(int fd, char* data, size_t size) noexcept {
  Socket* const socket = find(fd);
  if (socket == nullptr || socket->link == nullptr) return refuse(EBADF);
  if (socket->unread == 0) return socket->reset ? refuse(ECONNRESET) : socket->fin_received ? 0 : refuse(EAGAIN);
  size_t got = 0;
  do {
    std::string& piece = socket->pieces.front();
    const size_t part = std::min(piece.size(), size - got);
    std::memcpy(data + got, piece.data(), part);
    got += part;
    if (part == piece.size())
      socket->pieces.pop_front();
    else
      piece.erase(0, part);
  } while (got < size && !socket->pieces.empty() && random_.below(2) == 0);
  socket->unread -= got;
  put(out_of(*socket), Segment::Kind::ack, {}, got);
  changed(fd);
  return static_cast<ssize_t>(got);
}

int SimNetwork::shutdown(int fd, int how) noexcept {
  Socket* const socket = find(fd);
  if (socket == nullptr) return refuse(EBADF);
  if (socket->link == nullptr) {
    socket->shut = true;
    for (const int waiting : std::exchange(socket->backlog, {})) {
      put_reset(find(waiting)->link->to_client);
      drop_socket(waiting);
    }
  } else if (how != SHUT_RD && !socket->fin_sent) {
    if (socket->reset) return refuse(ENOTCONN);
    socket->fin_sent = true;
    put(out_of(*socket), Segment::Kind::fin);
  }
  changed(fd);
  return 0;
}

void SimNetwork::close(int fd) noexcept {
  Socket* const socket = find(fd);
  if (socket == nullptr) return;  // the network went on without the node
  if (socket->link == nullptr) {
    shutdown(fd, SHUT_RDWR);
  } else if (!socket->reset) {
    // Unread input makes it a reset, as the peer would else think that it was read.
    if (socket->unread != 0)
      put_reset(out_of(*socket));
    else
      shutdown(fd, SHUT_WR);
  }
  drop_socket(fd);
  forget_dead_links();
  schedule();
}

bool SimNetwork::local_address(int fd, SocketAddress& out) const noexcept {
  const Socket* const socket = find(fd);
  if (socket == nullptr) return false;
  out = socket->local;
  return true;
}

// ---- the node's lives
// --------------------------------------------------------------------------------------------------

void SimNetwork::attach(SimExecutor& executor) {
  executor_ = &executor;
  executor.attach(0, &mover_);
  unreachable_ = false;
  for (const auto& link : links_) postpone(*link);
}

void SimNetwork::detach(bool power_cut) {
  std::vector<int> of_node;
  for (const auto& [fd, socket] : sockets_)
    if (socket.node_side) of_node.push_back(fd);
  for (const int fd : of_node) {
    const Socket* const socket = find(fd);
    if (socket == nullptr) continue;  // waited in the backlog of one before
    if (!power_cut) {
      close(fd);
      continue;
    }
    if (socket->link != nullptr) lose_some(socket->link->to_client);
    drop_socket(fd);
  }
  now_ns_ = executor_->monotonic_ns();
  executor_ = nullptr;
  timer_ = 0;
  timer_ns_ = kNever;
  unreachable_ = power_cut;
  forget_dead_links();
  schedule();
}

void SimNetwork::advance_to(uint64_t now_ns) {
  for (uint64_t next = next_ns(); next <= now_ns; next = next_ns()) {
    now_ns_ = std::max(now_ns_, next);
    deliver_one();
  }
  now_ns_ = std::max(now_ns_, now_ns);
}

// ---- clients
// -----------------------------------------------------------------------------------------------------------

Result<std::unique_ptr<SimClient>> SimNetwork::connect(const std::string& address, const std::string& from) {
  const auto node = parse_address(address);
  if (!node) return tl::unexpected<Error>(node.error());
  auto own = parse_address(from + ":0");
  if (!own) return tl::unexpected<Error>(own.error());
  set_port(*own, next_port_++);
  links_.push_back(std::make_unique<Link>());
  Link& link = *links_.back();
  link.host = from;
  link.node_address = *node;
  link.client_address = *own;
  Socket socket;
  socket.link = &link;
  socket.node_side = false;
  socket.local = *own;
  socket.peer = *node;
  socket.window = std::max<size_t>(options_.window_bytes, 1);
  link.client = add_socket(std::move(socket));
  std::unique_ptr<SimClient> client(new SimClient(*this, link.client, own->text()));
  find(link.client)->client = client.get();
  put(link.to_node, Segment::Kind::syn);
  return client;
}

SimNetwork::Link* SimNetwork::link_of(const SimClient& client) {
  Socket* const socket = find(client.fd_);
  return socket == nullptr ? nullptr : socket->link;
}

void SimNetwork::partition(const SimClient& client, Direction direction) {
  Link* const link = link_of(client);
  if (link == nullptr) return;
  link->to_node.partitioned |= (bits(direction) & bits(Direction::to_node)) != 0;
  link->to_client.partitioned |= (bits(direction) & bits(Direction::from_node)) != 0;
  schedule();
}

void SimNetwork::partition(const std::string& host, Direction direction) {
  partitioned_hosts_[host] |= bits(direction);
  schedule();
}

void SimNetwork::heal(const SimClient& client) {
  Link* const link = link_of(client);
  if (link == nullptr) return;
  link->to_node.partitioned = link->to_client.partitioned = false;
  postpone(*link);
}

void SimNetwork::heal(const std::string& host) {
  partitioned_hosts_.erase(host);
  for (const auto& link : links_)
    if (link->host == host) postpone(*link);
}

void SimNetwork::heal() {
  partitioned_hosts_.clear();
  for (const auto& link : links_) {
    link->to_node.partitioned = link->to_client.partitioned = false;
    postpone(*link);
  }
}

void SimNetwork::vanish(const SimClient& client) {
  if (Link* const link = link_of(client)) link->vanished = true;
  schedule();
}

SimClient::~SimClient() { close(); }

void SimClient::send(std::string_view data) {
  if (!is_open() || finishing_) return;
  unsent_ += data;
  pump();
}

void SimClient::finish() {
  if (!is_open()) return;
  finishing_ = true;
  pump();
}

void SimClient::read_again() {
  reading_ = true;
  if (fd_ >= 0) pump();
}

void SimClient::close() {
  if (fd_ < 0) return;
  const int fd = std::exchange(fd_, -1);
  network_.close(fd);
}

void SimClient::reset() {
  if (fd_ < 0) return;
  SimNetwork::Socket& socket = *network_.find(fd_);
  if (!socket.reset) network_.put_reset(socket.link->to_node);
  network_.drop_socket(std::exchange(fd_, -1));
  network_.forget_dead_links();
}

size_t SimClient::unread_bytes() const {
  const SimNetwork::Socket* const socket = network_.find(fd_);
  return socket == nullptr ? 0 : socket->unread;
}

void SimClient::pump() {
  const SimNetwork::Socket& socket = *network_.find(fd_);
  while (reading_ && socket.unread != 0) {
    const size_t had = received_.size();
    received_.resize(had + socket.unread);
    received_.resize(had + static_cast<size_t>(network_.receive(fd_, received_.data() + had, received_.size() - had)));
  }
  peer_finished_ = socket.fin_received && socket.unread == 0;
  was_reset_ = socket.reset;
  if (was_reset_) return unsent_.clear();
  while (!unsent_.empty()) {
    iovec part{unsent_.data(), unsent_.size()};
    const ssize_t sent = network_.send(fd_, &part, 1);
    if (sent <= 0) break;
    unsent_.erase(0, static_cast<size_t>(sent));
  }
  if (finishing_ && unsent_.empty() && !socket.fin_sent) network_.shutdown(fd_, SHUT_WR);
}

}  // namespace orbit::kernel
