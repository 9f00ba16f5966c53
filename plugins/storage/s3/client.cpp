// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "client.hpp"

#include <curl/curl.h>
#include <time.h>

#include <chrono>
#include <random>

#include "parallel.hpp"
#include "retry_after.hpp"

namespace orbit::s3 {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kCredentialTries = 2;
constexpr size_t kPartsMax = 10'000;

uint64_t random_below(uint64_t bound) {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return random() % bound;
}

bool is_one_of(const std::string& code, std::initializer_list<const char*> codes) {
  return std::any_of(codes.begin(), codes.end(), [&](const char* one) { return code == one; });
}

bool credentials_were_refused(const std::string& code) {
  return is_one_of(code, {"ExpiredToken", "InvalidToken", "TokenRefreshRequired", "InvalidAccessKeyId"});
}

bool passes(long status, const std::string& code) {
  return status >= 500 || status == 408 || status == 429 ||
         is_one_of(code, {"SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable", "ThrottlingException",
                          "Throttling", "ConditionalRequestConflict", "OperationAborted"});
}

Code code_of(long status, const std::string& code) {
  if (is_one_of(code, {"QuotaExceeded", "XMinioStorageFull"}) || status == 507) return Code::resource_exhausted;
  if (status == 401 || credentials_were_refused(code)) return Code::unauthenticated;
  if (status == 403) return Code::permission_denied;
  if (status == 404) return Code::failed_precondition;
  if (status >= 500 || status == 408 || status == 429 || status == 409) return Code::unavailable;
  return Code::invalid_argument;
}

}  // namespace

Client::Client(ClientOptions options)
    : options_(std::move(options)), http_(options_.http), credentials_(options_.credentials) {
  const size_t scheme = options_.endpoint.find("://");
  const std::string protocol = options_.endpoint.substr(0, scheme == std::string::npos ? 0 : scheme);
  std::string host = scheme == std::string::npos ? "" : options_.endpoint.substr(scheme + 3);
  if (host.ends_with('/')) host.pop_back();
  if ((protocol != "http" && protocol != "https") || host.empty() || host.find('/') != std::string::npos)
    raise(Code::invalid_argument,
          "endpoint: found \"" + options_.endpoint + "\", expected http://HOST[:PORT] or https://HOST[:PORT]");
  // Clients leave the usual port out of the Host header.
  const std::string usual = protocol == "http" ? ":80" : ":443";
  if (host.ends_with(usual)) host.resize(host.size() - usual.size());
  host_ = options_.path_style ? host : options_.bucket + "." + host;
  base_ = protocol + "://" + host_;
  base_path_ = options_.path_style ? "/" + uri_encode(options_.bucket, false) + "/" : "/";
  if (options_.encryption == Encryption::customer) {
    if (options_.customer_key.size() != 32)
      raise(Code::invalid_argument,
            "the customer's key has " + std::to_string(options_.customer_key.size()) + " bytes, expected 32");
    customer_key_base64_ = base64(options_.customer_key);
    customer_key_md5_base64_ = base64(md5(options_.customer_key));
  }
}

void Client::shut_down() noexcept {
  http_.shut_down();
  std::lock_guard lock(stop_mutex_);
  stopping_ = true;
  stop_changed_.notify_all();
}

ClientStats Client::stats() const noexcept { return {requests_, retries_, sent_, received_}; }

std::string Client::describe(const std::string& name) const {
  return "s3://" + options_.bucket + "/" + options_.prefix + name;
}

std::string Client::where(const Call& call) const { return std::string(call.method) + " " + describe(call.name); }

void Client::add_encryption(Pairs& headers, bool creates) const {
  if (options_.encryption == Encryption::customer) {
    headers.emplace_back("x-amz-server-side-encryption-customer-algorithm", "AES256");
    headers.emplace_back("x-amz-server-side-encryption-customer-key", customer_key_base64_);
    headers.emplace_back("x-amz-server-side-encryption-customer-key-md5", customer_key_md5_base64_);
  } else if (creates && options_.encryption == Encryption::s3) {
    headers.emplace_back("x-amz-server-side-encryption", "AES256");
  } else if (creates && options_.encryption == Encryption::kms) {
    headers.emplace_back("x-amz-server-side-encryption", "aws:kms");
    if (!options_.kms_key.empty())
      headers.emplace_back("x-amz-server-side-encryption-aws-kms-key-id", options_.kms_key);
  }
}

HttpRequest Client::signed_request(const Call& call, const Credentials& credentials) const {
  SigningInput input;
  input.method = call.method;
  // A call on the bucket has no key; with the host's name telling the bucket its path is a single slash.
  input.path = call.name.empty() ? base_path_ : base_path_ + uri_encode(options_.prefix + call.name, true);
  input.query = canonical_query(call.query);
  input.headers = call.headers;
  input.headers.emplace_back("host", host_);
  input.payload_sha256_hex = hex(sha256(call.body));
  input.region = options_.region;
  input.now_s = time(nullptr) + clock_offset_s_.load(std::memory_order_relaxed);
  HttpRequest out{call.method,
                  base_ + input.path + (input.query.empty() ? "" : "?" + input.query),
                  {},
                  call.body,
                  call.answer_bytes_max};
  out.headers = sign(std::move(input), credentials);
  return out;
}

Clock::time_point Client::now() const { return options_.pacing.now ? options_.pacing.now() : Clock::now(); }

// Full jitter: anything up to the exponential bound (Brooker, "Exponential Backoff And Jitter", 2015). It comes on top of
// what the store asks for, so that those who were all told the same do not all come back at once.
void Client::pause(int attempt, uint64_t asked_ms, uint64_t left_ms) {
  const uint64_t bound = std::min(options_.retry_pause_max_ms, options_.retry_first_ms << std::min(attempt, 20));
  const Pacing& pacing = options_.pacing;
  const uint64_t chosen = 1 + (pacing.random_below ? pacing.random_below(bound) : random_below(bound));
  const uint64_t ms = std::min(left_ms, asked_ms + chosen);
  if (pacing.sleep) return pacing.sleep(ms);
  std::unique_lock lock(stop_mutex_);
  stop_changed_.wait_for(lock, std::chrono::milliseconds(ms), [&] { return stopping_; });
}

void Client::refuse(const Call& call, const HttpAnswer& answer) const {
  const S3Error error = parse_error(answer.body);
  raise(code_of(answer.status, error.code), where(call) + ": HTTP " + std::to_string(answer.status) + " " + error.code +
                                                (error.message.empty() ? "" : ": " + error.message));
}

HttpAnswer Client::call(const Call& call) {
  const auto start = now();
  std::string problem;
  int credential_tries = 0;
  bool clock_was_set = false;
  Code code = Code::unavailable;
  int attempt = 0;
  while (true) {
    std::optional<uint64_t> asked_ms;
    const Credentials credentials = credentials_.get(time(nullptr));
    requests_.fetch_add(1, std::memory_order_relaxed);
    sent_.fetch_add(call.body.size(), std::memory_order_relaxed);
    auto answer = http_.send(signed_request(call, credentials), problem);
    code = Code::unavailable;
    if (answer) {
      received_.fetch_add(answer->body.size(), std::memory_order_relaxed);
      const long status = answer->status;
      if (status >= 200 && status < 300) {
        problem = call.check ? call.check(*answer) : std::string();
        if (problem.empty()) return std::move(*answer);
      } else {
        const S3Error error = parse_error(answer->body);
        if (status == 412 || status == 416 || (status == 404 && error.code != "NoSuchBucket"))
          return std::move(*answer);
        problem = "HTTP " + std::to_string(status) + (error.code.empty() ? "" : " " + error.code) +
                  (error.message.empty() ? "" : ": " + error.message);
        code = code_of(status, error.code);
        bool again = passes(status, error.code);
        if (credentials_were_refused(error.code) && ++credential_tries <= kCredentialTries) {
          credentials_.refused(credentials);
          again = true;
        }
        if (error.code == "RequestTimeTooSkewed" && !std::exchange(clock_was_set, true)) {
          const time_t theirs = curl_getdate(answer->header("date").c_str(), nullptr);
          if (theirs > 0) clock_offset_s_.store(theirs - time(nullptr), std::memory_order_relaxed);
          again = theirs > 0;
        }
        if (!again) raise(code, where(call) + ": " + problem);
        asked_ms = retry_after_ms(*answer, time(nullptr) + clock_offset_s_.load(std::memory_order_relaxed));
      }
    }
    ++attempt;
    const auto spent_ms =
        static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now() - start).count());
    {
      std::lock_guard lock(stop_mutex_);
      if (stopping_) raise(Code::cancelled, where(call) + ": " + problem + ", and the engine is being closed");
    }
    const uint64_t left_ms = options_.operation_timeout_ms - std::min(spent_ms, options_.operation_timeout_ms);
    // A store that wants to be left alone for an hour is asked again before: it may be wrong, or better by then.
    const uint64_t pause_ms = std::min(asked_ms.value_or(0), options_.retry_pause_max_ms);
    if (attempt >= options_.attempts_max || left_ms == 0 || pause_ms > left_ms) {
      std::string after = ", after " + std::to_string(attempt) + " attempts in " + std::to_string(spent_ms) + " ms";
      if (asked_ms)
        after += "; the store asks for a pause of " + std::to_string(*asked_ms) + " ms, retry_pause_max_ms is " +
                 std::to_string(options_.retry_pause_max_ms) + ", and operation_timeout_ms = " +
                 std::to_string(options_.operation_timeout_ms) + " leaves " + std::to_string(left_ms) + " ms";
      raise(code, where(call) + ": " + problem + after);
    }
    retries_.fetch_add(1, std::memory_order_relaxed);
    pause(attempt - 1, pause_ms, left_ms);
  }
}

std::optional<Object> Client::get(const std::string& name) {
  Call call{.method = "GET", .name = name, .answer_bytes_max = options_.object_bytes_max};
  add_encryption(call.headers, false);
  // Without its length a torn answer cannot be told from a whole one.
  call.check = [](const HttpAnswer& answer) -> std::string {
    if (answer.status != 200) return "HTTP " + std::to_string(answer.status) + " to a plain GET";
    if (answer.header("etag").empty()) return "the answer has no ETag";
    return answer.header("content-length") == std::to_string(answer.body.size()) ? ""
                                                                                 : "the answer does not say its length";
  };
  HttpAnswer answer = this->call(call);
  if (answer.status == 404) return std::nullopt;
  if (answer.status != 200) refuse(call, answer);
  return Object{std::move(answer.body), answer.header("etag")};
}

std::optional<std::string> Client::get_range(const std::string& name, uint64_t offset, uint64_t size) {
  const std::string range = std::to_string(offset) + "-" + std::to_string(offset + size - 1);
  Call call{.method = "GET",
            .name = name,
            .headers = {{"range", "bytes=" + range}},
            .answer_bytes_max = std::max(size, uint64_t{64} << 10)};
  add_encryption(call.headers, false);
  call.check = [&](const HttpAnswer& answer) -> std::string {
    if (answer.status != 206)
      return "HTTP " + std::to_string(answer.status) + " to a request for a range, expected 206";
    if (!answer.header("content-range").starts_with("bytes " + range + "/") || answer.body.size() != size)
      return "asked for bytes " + range + ", found " + std::to_string(answer.body.size()) + " bytes, \"" +
             answer.header("content-range") + "\"";
    return {};
  };
  HttpAnswer answer = this->call(call);
  if (answer.status == 404) return std::nullopt;
  if (answer.status == 416)
    raise(Code::data_loss, describe(name) + " is shorter than it should be: it has no bytes " + range);
  if (answer.status != 206) refuse(call, answer);
  return std::move(answer.body);
}

std::optional<std::string> Client::put(const std::string& name, Bytes bytes, const PutCondition& condition) {
  Call call{.method = "PUT", .name = name, .body = bytes};
  if (condition.kind == PutCondition::Kind::absent) call.headers.emplace_back("if-none-match", "*");
  if (condition.kind == PutCondition::Kind::match) call.headers.emplace_back("if-match", condition.etag);
  add_encryption(call.headers, true);
  call.check = [](const HttpAnswer& answer) {
    return answer.header("etag").empty() ? "the answer has no ETag" : std::string();
  };
  const HttpAnswer answer = this->call(call);
  if (condition.kind != PutCondition::Kind::always && (answer.status == 412 || answer.status == 404))
    return std::nullopt;
  if (answer.status != 200) refuse(call, answer);
  return answer.header("etag");
}

void Client::upload(const std::string& name, Bytes bytes) {
  if (bytes.size() <= options_.part_bytes)
    put(name, bytes, {});
  else
    upload_parts(name, bytes);
}

void Client::upload_parts(const std::string& name, Bytes bytes) {
  Call begin{.method = "POST", .name = name, .query = {{"uploads", ""}}};
  add_encryption(begin.headers, true);
  begin.check = [](const HttpAnswer& answer) {
    return parse_upload_id(answer.body).empty() ? "the answer has no UploadId" : std::string();
  };
  const HttpAnswer begun = call(begin);
  if (begun.status != 200) refuse(begin, begun);
  const std::string id = parse_upload_id(begun.body);
  try {
    const uint64_t part = std::max(options_.part_bytes, bytes.size() / kPartsMax + 1);
    std::vector<std::string> etags((bytes.size() + part - 1) / part);
    in_parallel(etags.size(), options_.parallel_parts, [&](size_t i) {
      Call one{.method = "PUT", .name = name, .query = {{"partNumber", std::to_string(i + 1)}, {"uploadId", id}}};
      one.body = bytes.substr(i * part, part);
      if (options_.encryption == Encryption::customer) add_encryption(one.headers, true);
      one.check = [](const HttpAnswer& answer) {
        return answer.header("etag").empty() ? "the answer has no ETag" : std::string();
      };
      const HttpAnswer answer = call(one);
      if (answer.status != 200) refuse(one, answer);
      etags[i] = answer.header("etag");
    });
    const std::string completion = make_completion(etags);
    Call end{.method = "POST", .name = name, .query = {{"uploadId", id}}, .body = completion};
    if (options_.encryption == Encryption::customer) add_encryption(end.headers, true);
    // The status comes before the outcome is known: an error may be in the body of a 200.
    end.check = [](const HttpAnswer& answer) {
      if (is_completed_upload(answer.body)) return std::string();
      const S3Error error = parse_error(answer.body);
      return "HTTP 200 with " +
             (error.code.empty() ? "no CompleteMultipartUploadResult" : error.code + ": " + error.message);
    };
    const HttpAnswer ended = call(end);
    if (ended.status == 404) {
      // An earlier attempt whose answer was lost has completed it, or it is gone.
      Call look{.method = "HEAD", .name = name};
      add_encryption(look.headers, false);
      const HttpAnswer found = call(look);
      if (found.status != 200 || found.header("content-length") != std::to_string(bytes.size())) refuse(end, ended);
    } else if (ended.status != 200) {
      refuse(end, ended);
    }
  } catch (const Failure&) {
    // What was uploaded costs money until somebody says that it is not wanted.
    static_cast<void>(guarded([&] { call({.method = "DELETE", .name = name, .query = {{"uploadId", id}}}); }));
    throw;
  }
}

void Client::list(const std::string& prefix, const std::string& after,
                  const std::function<void(const std::string& name, uint64_t size)>& visit) {
  std::string token;
  std::string last;
  while (true) {
    Call call{.method = "GET", .name = {}, .answer_bytes_max = 8 << 20};
    call.query = {
        {"list-type", "2"}, {"prefix", options_.prefix + prefix}, {"max-keys", std::to_string(options_.list_page)}};
    if (!token.empty())
      call.query.emplace_back("continuation-token", token);
    else if (!after.empty())
      call.query.emplace_back("start-after", options_.prefix + after);
    call.check = [](const HttpAnswer& answer) {
      return parse_listing(answer.body) ? "" : std::string("the answer is no whole ListBucketResult");
    };
    const HttpAnswer answer = this->call(call);
    if (answer.status != 200) refuse(call, answer);
    const Listing listing = *parse_listing(answer.body);
    for (const Listing::Entry& entry : listing.entries) {
      const std::string expected = options_.prefix + prefix;
      if (!entry.key.starts_with(expected) || entry.key <= last ||
          (!after.empty() && entry.key <= options_.prefix + after))
        raise(Code::internal, where(call) + ": the listing after \"" + last + "\" of \"" + expected +
                                  "\" has the key \"" + entry.key + "\"");
      last = entry.key;
      visit(entry.key.substr(options_.prefix.size()), entry.size);
    }
    if (!listing.truncated) return;
    token = listing.next_token;
  }
}

void Client::remove(const std::string& name) {
  const Call call{.method = "DELETE", .name = name};
  const HttpAnswer answer = this->call(call);
  if (answer.status != 204 && answer.status != 200 && answer.status != 404) refuse(call, answer);
}

}  // namespace orbit::s3
