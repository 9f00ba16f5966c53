// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "http.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>

namespace orbit::s3 {

namespace {

struct FreeHeaders {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

std::string trimmed(Bytes text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == Bytes::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(" \t\r\n") + 1 - begin));
}

}  // namespace

struct HttpClient::Transfer {
  HttpAnswer answer;
  const HttpRequest& request;
  const std::atomic<bool>& stopping;
  void* handle;
  bool too_long = false;

  static size_t on_header(char* data, size_t, size_t size, void* self) {
    auto& answer = static_cast<Transfer*>(self)->answer;
    const Bytes line(data, size);
    if (line.starts_with("HTTP/")) answer.headers.clear();  // of the final answer, not of "100 Continue"
    const size_t colon = line.find(':');
    if (colon == Bytes::npos) return size;
    std::string name(line.substr(0, colon));
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c); });
    answer.headers[std::move(name)] = trimmed(line.substr(colon + 1));
    return size;
  }
  static size_t on_body(char* data, size_t, size_t size, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    if (transfer.answer.body.size() + size > transfer.request.answer_bytes_max) {
      transfer.too_long = true;
      return 0;
    }
    if (transfer.answer.body.empty()) {
      curl_off_t length = -1;
      curl_easy_getinfo(transfer.handle, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
      if (length > 0)
        transfer.answer.body.reserve(std::min(static_cast<uint64_t>(length), transfer.request.answer_bytes_max));
    }
    transfer.answer.body.append(data, size);
    return size;
  }
  static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return static_cast<Transfer*>(self)->stopping.load(std::memory_order_relaxed) ? 1 : 0;
  }
};

HttpClient::HttpClient(HttpOptions options) : options_(std::move(options)) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

HttpClient::~HttpClient() {
  for (void* handle : idle_) curl_easy_cleanup(handle);
}

void* HttpClient::take(std::string& error) {
  std::unique_lock lock(mutex_);
  const bool free = returned_.wait_for(lock, std::chrono::milliseconds(options_.request_timeout_ms),
                                       [&] { return !idle_.empty() || handles_ < options_.connections_max; });
  if (!free) {
    error = "connections_max (" + std::to_string(options_.connections_max) + ") requests were under way for " +
            std::to_string(options_.request_timeout_ms) + " ms";
    return nullptr;
  }
  if (!idle_.empty()) {
    void* const handle = idle_.back();
    idle_.pop_back();
    return handle;
  }
  void* const handle = curl_easy_init();
  if (handle == nullptr)
    error = "libcurl cannot make a handle";
  else
    ++handles_;
  return handle;
}

void HttpClient::give(void* handle) {
  std::lock_guard lock(mutex_);
  idle_.push_back(handle);
  returned_.notify_one();
}

std::optional<HttpAnswer> HttpClient::send(const HttpRequest& request, std::string& error) {
  if (stopping_.load(std::memory_order_relaxed)) return error = "the engine is being closed", std::nullopt;
  void* const handle = take(error);
  if (handle == nullptr) return std::nullopt;
  Transfer transfer{{}, request, stopping_, handle};
  char reason[CURL_ERROR_SIZE] = "";
  std::unique_ptr<curl_slist, FreeHeaders> headers;
  const auto add = [&](const std::string& line) {
    curl_slist* const longer = curl_slist_append(headers.get(), line.c_str());
    if (longer == nullptr) return;
    static_cast<void>(headers.release());
    headers.reset(longer);
  };
  for (const auto& [name, value] : request.headers) add(name + ": " + value);
  // What libcurl would add by itself, unsigned.
  for (const char* name : {"Expect:", "Accept:", "User-Agent:", "Content-Type:"}) add(name);

  curl_easy_reset(handle);  // keeps connections
  const auto set = [&](CURLoption option, auto value) { curl_easy_setopt(handle, option, value); };
  set(CURLOPT_URL, request.url.c_str());
  set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  if (request.method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
  } else if (request.method == "PUT" || request.method == "POST") {
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    set(CURLOPT_POSTFIELDS, request.body.empty() ? "" : request.body.data());
  }
  set(CURLOPT_HTTPHEADER, headers.get());
  set(CURLOPT_HEADERFUNCTION, &Transfer::on_header);
  set(CURLOPT_HEADERDATA, static_cast<void*>(&transfer));
  set(CURLOPT_WRITEFUNCTION, &Transfer::on_body);
  set(CURLOPT_WRITEDATA, static_cast<void*>(&transfer));
  set(CURLOPT_XFERINFOFUNCTION, &Transfer::on_progress);
  set(CURLOPT_XFERINFODATA, static_cast<void*>(&transfer));
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_ERRORBUFFER, static_cast<char*>(reason));
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_PATH_AS_IS, 1L);
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_PROXY, options_.proxy.c_str());
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connect_timeout_ms));
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(options_.request_timeout_ms));
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  if (!options_.ca_file.empty()) set(CURLOPT_CAINFO, options_.ca_file.c_str());

  const CURLcode code = curl_easy_perform(handle);
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &transfer.answer.status);
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, nullptr);
  give(handle);
  if (code == CURLE_OK) return std::move(transfer.answer);
  error = transfer.too_long ? "the answer is longer than " + std::to_string(request.answer_bytes_max) + " bytes"
                            : std::string(reason[0] != '\0' ? reason : curl_easy_strerror(code));
  return std::nullopt;
}

}  // namespace orbit::s3
