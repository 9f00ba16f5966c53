// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The network of a Node: clients that the test holds, plugins that listen, and what happens to the bytes in between.
// They travel in pieces whose sizes and delays the seed chooses; connections overtake each other, the bytes of one
// never do.
//
//   orbit::testkit::Node node({.plugins = {{.file = "build/line.so", .config = "listen = '127.0.0.1:7000'"}}});
//   orbit::testkit::Connection client = node.connect("127.0.0.1:7000");
//   client.send("PING\r\n");
//   CHECK(client.receive_until("\r\n") == "PONG\r\n");
//   node.network().partition(client);      // what is sent waits
//   node.advance(std::chrono::minutes(5));
//   node.network().heal(client);           // and arrives
//
// After a power cut (Node::crash) nobody tells the clients. What they send waits until the node is back, and then
// resets a connection of its earlier life; one that only waits hears nothing. An orderly stop closes the connections,
// and until the next start new ones are refused.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "api.hpp"

namespace orbit::testkit {

enum class Direction : uint8_t { to_node = 1, from_node = 2, both = 3 };

// A client's end of a connection. Belongs to its node; what is called after the node's end does nothing. Its destructor
// closes.
class ORBIT_TESTKIT_API Connection {
 public:
  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) noexcept;
  ~Connection();

  // Begins to send; nothing runs before the node does. What the network does not take (see Network::set_window_bytes)
  // waits here, and goes in order. Does nothing after finish, or once the connection is closed.
  void send(std::string_view bytes);

  // These run the node until what they want is there, and take it; time passes if it must, the node's patience at most.
  // Shorter than wanted: no more came.
  std::string receive(size_t bytes);
  std::string receive_until(std::string_view end);  // with `end`
  std::string receive_rest();                       // until the node closes
  // What has been read and was not taken; for a test that runs the node itself.
  const std::string& received() const;
  std::string take(size_t bytes = std::string::npos);

  // Sends no more, after what waits (half-close). The node may go on.
  void finish();
  // Ends it: in order, or with a reset if something was not read (stop_reading). What waits here is not sent.
  void close();
  void reset();
  // Leaves what comes where it is, so that nothing more can come in time; and reads again.
  void stop_reading();
  void read_again();

  // No more comes: the node has closed its side (everything before that was read), or the connection was reset or
  // refused.
  bool closed() const;
  bool was_reset() const;
  // Bytes that send has not given to the network yet.
  size_t unsent_bytes() const;
  // "127.0.0.1:49152", as the node sees it.
  std::string address() const;

 private:
  friend class Network;
  friend class Node;
  struct Impl;
  explicit Connection(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Belongs to its Node, and outlives its crashes. Faults stay set over a restart.
class ORBIT_TESTKIT_API Network {
 public:
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  // How long a piece is on its way, from now on: between these, as the seed says, kept to the millisecond. At first no
  // time.
  void set_delay(std::chrono::milliseconds min, std::chrono::milliseconds max);
  // How large pieces are, small ones as often as large ones. At first 1 to 65536.
  void set_piece_bytes(size_t min, size_t max);
  // How far one side may send ahead of what the other has read, in connections made from now on. At first 65536.
  void set_window_bytes(size_t bytes);
  // How likely it is, of each piece that arrives, that it finds its connection cut: both ends are reset. At first 0.
  void set_reset_chance(double chance);

  // What goes that way waits until heal: of one connection, or of all that a client's host ("10.0.0.1") has or will
  // make.
  void partition(const Connection& connection, Direction direction = Direction::both);
  void partition(std::string_view host, Direction direction = Direction::both);
  void heal(const Connection& connection);
  void heal(std::string_view host);
  void heal();  // all
  // The client's machine is gone, and nobody is told: nothing goes either way any more.
  void vanish(const Connection& connection);

 private:
  friend class Connection;
  friend class Node;
  Network();
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace orbit::testkit
