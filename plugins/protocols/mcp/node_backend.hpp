// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The engine's view of a real node, one per worker.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "backend.hpp"
#include "catalog_builder.hpp"
#include "orbit/access.hpp"
#include "orbit/ext/actors.h"
#include "orbit/ext/descriptors.h"
#include "orbit/ext/node.h"
#include "orbit/ext/workers.h"
#include "orbit/plugin.hpp"
#include "reporter.hpp"

namespace orbit::mcp {

// 128 bits that nobody can guess, in hexadecimal.
std::string random_token();

struct NodeCaller final : Caller {
  Principal principal;
};

// The catalog that all workers share; made anew when a module comes or goes.
class Catalogs {
 public:
  Catalogs(Host host, Filter filter);
  CatalogPtr current();

 private:
  const Host host_;
  const orbit_descriptors_v1* descriptors_;
  const Filter filter_;
  std::mutex mutex_;
  CatalogPtr catalog_;
};

class NodeBackend final : public Backend {
 public:
  NodeBackend(Host host, Catalogs& catalogs, const Access& access, Reports& reports, uint32_t worker, uint64_t call_timeout_ms);

  CatalogPtr catalog() override { return catalogs_.current(); }
  bool may(const Caller& caller, const Offer& offer) override;
  bool permits(const Caller& caller, const Offer& offer) override;
  Result<> permits_read(const Caller& caller, const std::string& uri) override;
  bool still(const Caller& caller) override;
  bool lists_are_public() override { return !access_.enabled(); }
  uint64_t call(const Caller& caller, const ActorTarget& target, const std::string& request,
                std::function<void(Result<std::string>)> done) override;
  void cancel(uint64_t call) override;
  const std::vector<NodeResource>& node_resources() override;
  void read(const CallerPtr& caller, const std::string& uri, std::function<void(Result<std::string>)> done) override;
  void complete(const CallerPtr& caller, const std::string& uri, const std::string& variable, const std::string& prefix,
                const json::object& known, size_t limit, std::function<void(std::vector<std::string>)> done) override;
  void open_call(const std::string& token) override { reports_.open(token, worker_); }
  uint32_t reports_sent(const std::string& token) override;
  void cancelled_call(const std::string& token) override;
  void close_call(const std::string& token) override { reports_.close(token); }
  uint64_t now_ms() override { return workers_.monotonic_ns(host_.raw()) / 1'000'000; }
  uint64_t unix_ms() override { return workers_.unix_ms(host_.raw()); }
  uint64_t after(uint64_t delay_ms, std::function<void()> function) override;
  void cancel_timer(uint64_t timer) override;
  std::string token() override { return random_token(); }
  void complain(const std::string& what) override { host_.warn(what); }

 private:
  struct Pending;
  struct Timer;

  void read_state(const CallerPtr& caller, const std::string& type, const std::string& key, std::function<void(Result<std::string>)> done);
  Result<> check_list(const Caller& caller, const std::string& type) const;
  void list_keys(const std::string& type, const std::string& prefix, size_t limit, std::function<void(Result<std::vector<std::string>>)> done);

  const Host host_;
  Catalogs& catalogs_;
  const Access& access_;
  Reports& reports_;
  const uint32_t worker_;
  const uint64_t call_timeout_ms_;
  const orbit_actors_v1& actors_;
  const orbit_node_v1& node_;
  const orbit_workers_v1& workers_;
  std::map<uint64_t, orbit_envelope*> calls_;
  uint64_t last_call_ = 0;
  std::map<uint64_t, Timer*> timers_;
  uint64_t last_timer_ = 0;
};

}  // namespace orbit::mcp
