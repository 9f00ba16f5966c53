// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A network inside a simulation: one node with sockets, and clients that a test holds. What is sent travels in pieces
// whose sizes and delays a seed chooses; connections overtake each other, the bytes of one never do. It does to a node
// what TCP over a bad line does, and what is said here of sockets is what Linux does: the code that stands on them is
// the same (os_sockets.hpp).
//
// It outlives the lives of its node: each attaches itself, and the network keeps time by its executor. Not thread-safe.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "executor/poller.hpp"
#include "executor/prng.hpp"
#include "executor/sim_executor.hpp"
#include "net/address.hpp"
#include "orbit/result.hpp"

namespace orbit::kernel {

class SimNetwork;

// A worker's epoll set. A step hands one event, of a socket that the seed chooses, to its owner; the worker's residents have
// a round after it, as after any I/O.
class SimPoller final : public Resident {
 public:
  SimPoller(SimNetwork& network, SimExecutor& executor, uint32_t worker) noexcept
      : network_(network), executor_(executor), worker_(worker) {}

  // As Poller's.
  int add(int fd, uint32_t events, Pollable* pollable) noexcept;
  void modify(int fd, uint32_t events, Pollable* pollable) noexcept;
  void remove(int fd, Pollable* pollable) noexcept;

  bool step() noexcept override;
  void end_of_round() noexcept override {}
  bool pending() const noexcept override { return !ready_.empty(); }

  // The network: what there is to tell of that socket is now `events`.
  void update(int fd, uint32_t events) noexcept;
  void forget(int fd) noexcept;

 private:
  struct Watched {
    uint32_t wanted;
    uint32_t events = 0;
    Pollable* pollable;
  };
  void look(int fd, const Watched& watched) noexcept;

  SimNetwork& network_;
  SimExecutor& executor_;
  const uint32_t worker_;
  std::map<int, Watched> watched_;
  std::set<int> ready_;
};

struct SimNetworkOptions {
  uint64_t seed = 1;
  uint64_t delay_min_ns = 0;
  uint64_t delay_max_ns = 0;
  size_t piece_bytes_min = 1;
  size_t piece_bytes_max = 65'536;
  // What one side sends ahead of what the other has read; of connections that are made from then on.
  size_t window_bytes = 65'536;
  // That a piece which arrives finds its connection cut, and both ends hear of a reset.
  double reset_chance = 0;
};

enum class Direction : uint8_t { to_node = 1, from_node = 2, both = 3 };

// A client's end of a connection. Reads all that arrives unless told not to.
class SimClient {
 public:
  // The connection ends as if its process had.
  ~SimClient();
  SimClient(const SimClient&) = delete;
  SimClient& operator=(const SimClient&) = delete;

  // What the window does not take waits here, in order. Does nothing once the connection is closed or finished.
  void send(std::string_view data);
  // Sends no more, after what waits.
  void finish();
  // In order if everything that came was read, as a reset otherwise.
  void close();
  void reset();
  void stop_reading() noexcept { reading_ = false; }
  void read_again();

  // All that was read; for the test to take from.
  std::string& received() noexcept { return received_; }
  // Bytes that came, were not read, and close the window.
  size_t unread_bytes() const;
  // Bytes that the window has not taken yet.
  size_t unsent_bytes() const noexcept { return unsent_.size(); }
  bool peer_finished() const noexcept { return peer_finished_; }     // and everything before that is read
  bool was_reset() const noexcept { return was_reset_; }             // by the node, or it refused; or by the network
  bool is_open() const noexcept { return fd_ >= 0 && !was_reset_; }  // this end is
  const std::string& address() const noexcept { return address_; }

 private:
  friend class SimNetwork;
  SimClient(SimNetwork& network, int fd, std::string address)
      : network_(network), fd_(fd), address_(std::move(address)) {}
  void pump();

  SimNetwork& network_;
  int fd_;
  const std::string address_;
  std::string unsent_;
  std::string received_;
  bool reading_ = true;
  bool finishing_ = false;
  bool peer_finished_ = false;
  bool was_reset_ = false;
};

class SimNetwork final {
 public:
  explicit SimNetwork(const SimNetworkOptions& options);
  ~SimNetwork();
  SimNetwork(const SimNetwork&) = delete;
  SimNetwork& operator=(const SimNetwork&) = delete;

  // ---- the test's side ----------------------------------------------------------------------------------------------
  // What it is from now on; of a window, for connections that are made from now on. The seed stays.
  void configure(const SimNetworkOptions& options);
  const SimNetworkOptions& options() const noexcept { return options_; }

  // A client on the numeric host `from` asks for a connection, which is refused if nobody listens when that arrives.
  // What it sends follows at once. The network lives longer than it.
  Result<std::unique_ptr<SimClient>> connect(const std::string& address, const std::string& from = "127.0.0.1");

  // What goes that way waits until heal: of one connection, or of all there are or will be of a client's host.
  void partition(const SimClient& client, Direction direction);
  void partition(const std::string& host, Direction direction);
  void heal(const SimClient& client);
  void heal(const std::string& host);
  void heal();
  // Nothing goes either way any more, and nobody is told: the client's machine is gone.
  void vanish(const SimClient& client);

  // ---- the node's lives ---------------------------------------------------------------------------------------------
  // Attaches what moves bytes to worker 0, before the executor's start. It may not run any more once detach was called.
  void attach(SimExecutor& executor);
  // The node is gone with its sockets. After a power cut it took some of what it had sent last, what is sent to it
  // waits until it is back, and who then sends to a connection of before is told by a reset. Else its machine is still
  // there, and refuses.
  void detach(bool power_cut);
  // While no node is attached: time passes. Deliveries happen in it.
  void advance_to(uint64_t now_ns);

  // ---- sockets of the node: as the system calls of the same names, errno included -----------------------------------
  Result<int> listen(const SocketAddress& address, const std::string& text);
  int accept(int fd, SocketAddress* peer) noexcept;
  ssize_t send(int fd, iovec* parts, size_t count) noexcept;
  ssize_t receive(int fd, char* data, size_t size) noexcept;
  int shutdown(int fd, int how) noexcept;
  void close(int fd) noexcept;
  bool local_address(int fd, SocketAddress& out) const noexcept;

  // For pollers.
  uint32_t events(int fd) const noexcept;
  void watch(int fd, SimPoller* poller) noexcept;
  Prng& random() noexcept { return random_; }

 private:
  friend class SimClient;
  struct Segment {
    enum class Kind : uint8_t { syn, data, fin, reset, ack };
    Kind kind;
    uint64_t arrival_ns;
    std::string bytes;
    size_t count;  // of bytes that an ack is for
  };
  // One way of a connection.
  struct Wire {
    std::deque<Segment> segments;
    uint64_t last_arrival_ns = 0;
    bool partitioned = false;
  };
  struct Link;
  struct Socket {
    Link* link = nullptr;  // null: a listener
    bool node_side = true;
    SocketAddress local;
    SocketAddress peer;
    std::deque<std::string> pieces;  // received and unread
    size_t unread = 0;
    size_t unacked = 0;
    size_t window = 0;
    bool fin_received = false;
    bool fin_sent = false;
    bool reset = false;
    SimPoller* poller = nullptr;
    SimClient* client = nullptr;
    std::deque<int> backlog;  // of a listener
    bool shut = false;        // it is
  };
  struct Link {
    int client = -1;  // -1: that end is closed
    int node = -1;
    std::string host;  // the client's
    SocketAddress node_address;
    SocketAddress client_address;
    Wire to_node;
    Wire to_client;
    bool vanished = false;
  };
  class Mover final : public Resident {
   public:
    explicit Mover(SimNetwork& network) noexcept : network_(network) {}
    bool step() noexcept override;
    void end_of_round() noexcept override {}
    bool pending() const noexcept override { return network_.next_ns() <= network_.now_ns(); }

   private:
    SimNetwork& network_;
  };

  uint64_t now_ns() const noexcept { return executor_ != nullptr ? executor_->monotonic_ns() : now_ns_; }
  uint64_t next_ns() const noexcept;
  bool blocked(const Link& link, bool to_node) const;
  bool deliver_one();
  void deliver(Link& link, bool to_node, Segment segment);
  void accept_link(Link& link);
  void put(Wire& wire, Segment::Kind kind, std::string bytes = {}, size_t count = 0);
  // A reset that may overtake what was sent last.
  void put_reset(Wire& wire);
  void cut(Link& link);
  void lose_some(Wire& wire);
  void postpone(Link& link);
  Wire& out_of(const Socket& socket) { return socket.node_side ? socket.link->to_client : socket.link->to_node; }
  Link* link_of(const SimClient& client);
  Socket* find(int fd) noexcept;
  const Socket* find(int fd) const noexcept;
  int find_listener(const SocketAddress& address) const;
  int add_socket(Socket socket);
  void drop_socket(int fd) noexcept;
  // Tells the socket's poller.
  void changed(int fd) noexcept;
  void schedule();
  void forget_dead_links() noexcept;
  uint64_t delay_ns();
  size_t piece_bytes();
  void trace(uint64_t value);

  SimNetworkOptions options_;
  Prng random_;
  SimExecutor* executor_ = nullptr;  // null: no node is there
  Mover mover_{*this};
  orbit_timer timer_ = 0;
  uint64_t timer_ns_ = UINT64_MAX;
  bool unreachable_ = false;  // the node's machine is
  uint64_t now_ns_ = 0;       // while no node is there
  std::map<int, Socket> sockets_;
  std::vector<std::unique_ptr<Link>> links_;
  std::map<std::string, uint8_t> partitioned_hosts_;
  int next_fd_ = 3;
  uint16_t next_port_ = 49'152;
  mutable uint64_t next_ns_ = 0;
  mutable bool next_known_ = false;
};

}  // namespace orbit::kernel
