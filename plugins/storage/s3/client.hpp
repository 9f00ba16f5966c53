// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The object store as S3 (https://docs.aws.amazon.com/AmazonS3/latest/API/) or what speaks like it: signed requests,
// tried again with growing random pauses, up to a number of attempts and a time.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>

#include "answers.hpp"
#include "credentials.hpp"
#include "http.hpp"
#include "object_store.hpp"

namespace orbit::s3 {

enum class Encryption {
  none,      // whatever the bucket does by itself
  s3,        // SSE-S3: AES256
  kms,       // SSE-KMS, with kms_key or the account's
  customer,  // SSE-C: with a key of our own in each request
};

// What attempts are paced by. A test brings its own; empty: the real ones.
struct Pacing {
  std::function<uint64_t(uint64_t bound)> random_below;
  std::function<std::chrono::steady_clock::time_point()> now;
  std::function<void(uint64_t ms)> sleep;
};

struct ClientOptions {
  std::string endpoint;  // scheme://host[:port]
  std::string region;
  std::string bucket;
  std::string prefix;       // empty, or ends with a slash
  bool path_style = false;  // endpoint/bucket/key instead of bucket.endpoint/key
  Encryption encryption = Encryption::none;
  std::string kms_key;
  std::string customer_key;  // 32 bytes
  uint64_t part_bytes = 16 << 20;
  size_t parallel_parts = 4;
  int attempts_max = 8;
  uint64_t retry_first_ms = 50;
  uint64_t retry_pause_max_ms = 5'000;  // of the random part, and of what the store asks for
  uint64_t operation_timeout_ms = 60'000;
  uint64_t object_bytes_max = uint64_t{1} << 31;  // of an object that is read as a whole
  int list_page = 1'000;
  HttpOptions http;
  CredentialCache::Fetch credentials;
  Pacing pacing;
};

struct ClientStats {
  uint64_t requests, retries, bytes_sent, bytes_received;
};

class Client final : public ObjectStore {
 public:
  // Throws Failure when the options make no sense.
  explicit Client(ClientOptions options);

  std::optional<Object> get(const std::string& name) override;
  std::optional<std::string> get_range(const std::string& name, uint64_t offset, uint64_t size) override;
  std::optional<std::string> put(const std::string& name, Bytes bytes, const PutCondition& condition) override;
  void upload(const std::string& name, Bytes bytes) override;
  void list(const std::string& prefix, const std::string& after,
            const std::function<void(const std::string& name, uint64_t size)>& visit) override;
  void remove(const std::string& name) override;
  std::string describe(const std::string& name) const override;
  void shut_down() noexcept override;

  ClientStats stats() const noexcept;

 private:
  struct Call {
    const char* method;
    std::string name;  // empty: the bucket
    Pairs query = {};
    Pairs headers = {};
    Bytes body = {};
    uint64_t answer_bytes_max = 1 << 20;
    // Says what is wrong with a successful answer: a torn one is asked for again. Empty: nothing.
    std::function<std::string(const HttpAnswer&)> check = {};
  };
  // Answers with 2xx, 404, 412 and 416; everything else is tried again or thrown.
  HttpAnswer call(const Call& call);
  HttpRequest signed_request(const Call& call, const Credentials& credentials) const;
  void upload_parts(const std::string& name, Bytes bytes);
  void add_encryption(Pairs& headers, bool creates) const;
  // `asked_ms`: by the store, at least.
  void pause(int attempt, uint64_t asked_ms, uint64_t left_ms);
  std::chrono::steady_clock::time_point now() const;
  [[noreturn]] void refuse(const Call& call, const HttpAnswer& answer) const;
  std::string where(const Call& call) const;

  ClientOptions options_;
  std::string host_;
  std::string base_;       // scheme://host, without the path
  std::string base_path_;  // "/" or "/bucket/"
  std::string customer_key_base64_;
  std::string customer_key_md5_base64_;
  HttpClient http_;
  CredentialCache credentials_;
  std::atomic<int64_t> clock_offset_s_ = 0;  // of the store's clock from ours
  std::atomic<uint64_t> requests_ = 0, retries_ = 0, sent_ = 0, received_ = 0;
  std::mutex stop_mutex_;
  std::condition_variable stop_changed_;
  bool stopping_ = false;
};

}  // namespace orbit::s3
