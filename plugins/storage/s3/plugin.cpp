// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <orbit/ext/observe.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <orbit/plugin.hpp>
#include <orbit/storage.hpp>

#include "client.hpp"
#include "engine.hpp"

namespace {

using orbit::s3::Client;
using orbit::s3::ClientOptions;
using orbit::s3::ClientStats;
using orbit::s3::Encryption;
using orbit::s3::Engine;
using orbit::s3::EngineOptions;
using orbit::s3::EngineStats;

class Gauges {
 public:
  explicit Gauges(orbit::Host host) : metrics_(host.extension<orbit_metrics_v1>(ORBIT_METRICS_V1)) {
    if (metrics_ == nullptr) return;
    for (size_t i = 0; i < std::size(kEngine); ++i)
      engine_[i] = metrics_->gauge(host.raw(), kEngine[i].name, "", kEngine[i].help);
    for (size_t i = 0; i < std::size(kClient); ++i)
      client_[i] = metrics_->gauge(host.raw(), kClient[i].name, "", kClient[i].help);
  }
  void set(const EngineStats& engine, const ClientStats& client) const {
    if (metrics_ == nullptr) return;
    for (size_t i = 0; i < std::size(kEngine); ++i)
      metrics_->set(engine_[i], static_cast<int64_t>(engine.*kEngine[i].value));
    for (size_t i = 0; i < std::size(kClient); ++i)
      metrics_->set(client_[i], static_cast<int64_t>(client.*kClient[i].value));
  }

 private:
  template <class Stats>
  struct Gauge {
    const char* name;
    const char* help;
    uint64_t Stats::* value;
  };
  static constexpr Gauge<EngineStats> kEngine[] = {
      {"orbit_s3_epoch", "Epoch of this writer.", &EngineStats::epoch},
      {"orbit_s3_log_objects", "Log objects written.", &EngineStats::wal_objects},
      {"orbit_s3_log_bytes", "Bytes of log objects written.", &EngineStats::wal_bytes},
      {"orbit_s3_flushes", "Write buffers that became tables.", &EngineStats::flushes},
      {"orbit_s3_compactions", "Compactions.", &EngineStats::compactions},
      {"orbit_s3_compaction_bytes", "Bytes that compactions wrote.", &EngineStats::compaction_bytes},
      {"orbit_s3_cache_bytes", "Bytes in the read cache.", &EngineStats::cache_bytes},
      {"orbit_s3_cache_hits", "Reads that the cache answered.", &EngineStats::cache_hits},
      {"orbit_s3_cache_misses", "Reads that the cache could not answer.", &EngineStats::cache_misses},
      {"orbit_s3_memtable_bytes", "Bytes in write buffers.", &EngineStats::memtable_bytes},
      {"orbit_s3_tables", "Tables.", &EngineStats::tables},
      {"orbit_s3_table_bytes", "Bytes in tables.", &EngineStats::table_bytes},
      {"orbit_s3_level0_tables", "Tables in level 0.", &EngineStats::level0_tables},
  };
  static constexpr Gauge<ClientStats> kClient[] = {
      {"orbit_s3_requests", "HTTP requests, repeated ones included.", &ClientStats::requests},
      {"orbit_s3_retries", "HTTP requests that repeated an earlier one.", &ClientStats::retries},
      {"orbit_s3_sent_bytes", "Bytes of request bodies.", &ClientStats::bytes_sent},
      {"orbit_s3_received_bytes", "Bytes of answer bodies.", &ClientStats::bytes_received},
  };
  const orbit_metrics_v1* metrics_;
  orbit_gauge* engine_[std::size(kEngine)] = {};
  orbit_gauge* client_[std::size(kClient)] = {};
};

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string() : value;
}

// For whoever is told that this writer has taken over.
std::string writer_name() {
  char host[256] = "";
  gethostname(host, sizeof host - 1);
  return "process " + std::to_string(getpid()) + " on " + host + ", started " + orbit::s3::amz_date(time(nullptr));
}

orbit::s3::CredentialCache::Fetch credentials_of(const orbit::Config& config) {
  const std::string kind = config.string("credentials");
  std::string file = config.string("credentials_file");
  if (file.empty()) file = variable("AWS_SHARED_CREDENTIALS_FILE");
  if (file.empty()) file = variable("HOME") + "/.aws/credentials";
  const std::string profile = config.string("credentials_profile");
  const std::string metadata = config.string("metadata_endpoint");
  orbit::s3::HttpOptions options;
  options.connections_max = 1;
  options.connect_timeout_ms = 1'000;
  options.request_timeout_ms = 2'000;
  const auto http = std::make_shared<orbit::s3::HttpClient>(options);
  return [=] {
    if (kind == "environment" || (kind == "auto" && !variable("AWS_ACCESS_KEY_ID").empty()))
      return orbit::s3::credentials_from_environment();
    if (kind == "file" || (kind == "auto" && access(file.c_str(), R_OK) == 0))
      return orbit::s3::credentials_from_file(file, profile);
    return orbit::s3::credentials_from_instance(*http, metadata);
  };
}

orbit::Result<std::string> key_in(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string out(33, '\0');
  if (file) file.read(out.data(), 33);
  if (!file && !file.eof())
    return orbit::fail(orbit::Code::not_found, "encryption.customer_key_file: " + path + " cannot be read");
  out.resize(static_cast<size_t>(file.gcount()));
  if (out.size() != 32)
    return orbit::fail(orbit::Code::invalid_argument, "encryption.customer_key_file: " + path +
                                                          " must have 32 bytes, found " +
                                                          (out.size() > 32 ? "more" : std::to_string(out.size())));
  return out;
}

bool is_plain(const std::string& text) {
  return text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./") ==
         std::string::npos;
}

class S3Storage final : public orbit::StoragePlugin<S3Storage, Engine> {
 public:
  static constexpr const char* kCredentials[] = {"auto", "environment", "file", "instance", nullptr};
  static constexpr const char* kEncryption[] = {"none", "s3", "kms", "customer", nullptr};
  static constexpr orbit::Option kOptions[] = {
      orbit::option_string("bucket", nullptr, "The bucket; it must exist."),
      orbit::option_string("prefix", "\"\"",
                           "Where in the bucket the objects lie: letters, digits, -_. and slashes. One store each."),
      orbit::option_string("region", "\"us-east-1\"", "Region that requests are signed for."),
      orbit::option_string("endpoint", "\"\"",
                           "http(s)://HOST[:PORT] of the store; empty: that of Amazon S3 in the region."),
      orbit::option_boolean("path_style", "false", "Address the bucket as endpoint/bucket and not as bucket.endpoint."),
      orbit::option_string(
          "credentials", "\"auto\"",
          "Where credentials come from; auto: the environment (AWS_ACCESS_KEY_ID ...), else the file if it is there, "
          "else the instance's metadata.",
          kCredentials),
      orbit::option_string(
          "credentials_file", "\"\"",
          "File as the AWS tools write it; empty: $AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials."),
      orbit::option_string("credentials_profile", "\"default\"", "Section of that file."),
      orbit::option_string("metadata_endpoint", "\"http://169.254.169.254\"",
                           "Of the instance's metadata service (IMDSv2)."),
      orbit::option_string("encryption.mode", "\"none\"",
                           "Server-side encryption asked for: none (what the bucket does by itself), s3 (SSE-S3), kms "
                           "(SSE-KMS), customer (SSE-C).",
                           kEncryption),
      orbit::option_string("encryption.kms_key", "\"\"", "Key of kms; empty: the account's."),
      orbit::option_string("encryption.customer_key_file", "\"\"", "File with the 32 bytes of the key of customer."),
      orbit::option_integer("cache_bytes", "268435456", 1 << 16, 1e13,
                            "Memory for blocks, indexes and filters that were read from tables."),
      orbit::option_integer(
          "write_buffer_bytes", "67108864", 1 << 14, 1 << 30,
          "Memory that collects writes before a table is made of it; at most write_buffers_max exist."),
      orbit::option_integer("write_buffers_max", "3", 2, 64,
                            "Write buffers that may exist before writers wait for the store."),
      orbit::option_integer(
          "log_objects_max", "512", 1, 1e6,
          "Log objects after which a table is made, however small: what an opening after a crash has to read."),
      orbit::option_integer("batch_bytes_max", "67108864", 1 << 10, 1 << 30, "Size of the largest batch of writes."),
      orbit::option_integer("unsynced_delay_ms", "0", 0, 60'000,
                            "0: every write is stored when it returns. Otherwise writes without sync are collected for "
                            "so long, which saves "
                            "requests; a kill may lose them."),
      orbit::option_integer("table_bytes", "67108864", 1 << 14, 1 << 30, "Size at which a table ends."),
      orbit::option_integer("level1_bytes", "268435456", 1 << 15, 1e13,
                            "Size of the first merged level; each one below may be ten times as big."),
      orbit::option_integer("block_bytes", "32768", 512, 1 << 22, "Size of the blocks that tables are read in."),
      orbit::option_boolean("compression", "true", "Compress blocks with Zstandard."),
      orbit::option_integer("bloom_bits_per_key", "10", 0, 32,
                            "Size of the filters that answer most gets of absent keys; 0: none."),
      orbit::option_integer("part_bytes", "16777216", 5 << 20, 1 << 30,
                            "Size of the parts in which larger objects are uploaded."),
      orbit::option_integer("connections_max", "16", 1, 1'024, "Requests under way at once."),
      orbit::option_integer("connect_timeout_ms", "3000", 1, 600'000, "Time for a connection to be made."),
      orbit::option_integer("request_timeout_ms", "30000", 1, 3'600'000, "Time for one request and its answer."),
      orbit::option_integer("operation_timeout_ms", "60000", 1, 3'600'000,
                            "Time after which a failing request is not tried again."),
      orbit::option_integer("attempts_max", "8", 1, 100, "How often a request is tried."),
      orbit::option_integer("retry_first_ms", "50", 1, 60'000,
                            "Longest pause before the second attempt; doubles with each, and is random below that."),
      orbit::option_integer("retry_pause_max_ms", "5000", 1, 600'000, "Longest pause between attempts."),
      orbit::option_string("proxy", "\"\"", "Proxy for requests to the store; empty: none."),
      orbit::option_string("ca_file", "\"\"", "Certificates that the store's is checked with; empty: the system's."),
  };
  static constexpr orbit::PluginInfo kInfo{
      .id = "orbit.storage.s3",
      .version = "0.1.0",
      .doc = "Durable ordered storage in a bucket of Amazon S3 or a store like it, fenced by conditional writes.",
      .provides = orbit::storage_provides<Engine>(),
      .options = kOptions,
  };

  static orbit::Result<std::unique_ptr<S3Storage>> create(orbit::Host host, const orbit::Config& config) {
    auto client = client_options(config);
    if (!client) return tl::unexpected<orbit::Error>(client.error());
    auto made = orbit::s3::guarded([&] { return std::make_shared<Client>(std::move(*client)); });
    if (!made) return tl::unexpected<orbit::Error>(made.error());
    const std::shared_ptr<Client> store = *made;

    EngineOptions options = engine_options(config);
    options.writer = writer_name();
    options.warn = [host](const std::string& problem) { host.warn(problem); };
    options.after_background = [gauges = Gauges(host), store](const EngineStats& stats) {
      gauges.set(stats, store->stats());
    };
    auto engine = Engine::open(store, std::move(options));
    if (!engine) return tl::unexpected<orbit::Error>(engine.error());
    host.info("storage is open: " + store->describe("") + ", epoch " + std::to_string((*engine)->stats().epoch));
    return std::make_unique<S3Storage>(std::move(*engine));
  }

  using StoragePlugin::StoragePlugin;

 private:
  static orbit::Result<ClientOptions> client_options(const orbit::Config& config) {
    const auto number = [&](const char* key) { return static_cast<uint64_t>(config.integer(key)); };
    ClientOptions out;
    out.bucket = config.string("bucket");
    out.prefix = config.string("prefix");
    if (out.bucket.empty() || !is_plain(out.bucket) || out.bucket.find('/') != std::string::npos)
      return orbit::fail(orbit::Code::invalid_argument, "bucket: \"" + out.bucket + "\" is not the name of a bucket");
    if (!is_plain(out.prefix) || out.prefix.starts_with('/') || out.prefix.find("//") != std::string::npos)
      return orbit::fail(orbit::Code::invalid_argument,
                         "prefix: found \"" + out.prefix +
                             "\", expected letters, digits, -_. and single slashes, none at the beginning");
    if (!out.prefix.empty() && !out.prefix.ends_with('/')) out.prefix += '/';
    out.region = config.string("region");
    out.endpoint = config.string("endpoint");
    if (out.endpoint.empty()) out.endpoint = "https://s3." + out.region + ".amazonaws.com";
    out.path_style = config.boolean("path_style");
    const std::string mode = config.string("encryption.mode");
    out.encryption = mode == "s3"         ? Encryption::s3
                     : mode == "kms"      ? Encryption::kms
                     : mode == "customer" ? Encryption::customer
                                          : Encryption::none;
    out.kms_key = config.string("encryption.kms_key");
    if (out.encryption == Encryption::customer) {
      auto key = key_in(config.string("encryption.customer_key_file"));
      if (!key) return tl::unexpected<orbit::Error>(key.error());
      out.customer_key = std::move(*key);
    }
    out.part_bytes = number("part_bytes");
    out.attempts_max = static_cast<int>(config.integer("attempts_max"));
    out.retry_first_ms = number("retry_first_ms");
    out.retry_pause_max_ms = number("retry_pause_max_ms");
    out.operation_timeout_ms = number("operation_timeout_ms");
    out.http.connections_max = number("connections_max");
    out.http.connect_timeout_ms = number("connect_timeout_ms");
    out.http.request_timeout_ms = number("request_timeout_ms");
    out.http.proxy = config.string("proxy");
    out.http.ca_file = config.string("ca_file");
    out.credentials = credentials_of(config);
    return out;
  }
  static EngineOptions engine_options(const orbit::Config& config) {
    const auto number = [&](const char* key) { return static_cast<uint64_t>(config.integer(key)); };
    EngineOptions out;
    out.cache_bytes = number("cache_bytes");
    out.write_buffer_bytes = number("write_buffer_bytes");
    out.write_buffers_max = number("write_buffers_max");
    out.wal_objects_max = number("log_objects_max");
    out.batch_bytes_max = number("batch_bytes_max");
    out.unsynced_delay_ms = number("unsynced_delay_ms");
    out.table_bytes = number("table_bytes");
    out.level1_bytes = number("level1_bytes");
    out.parallel_reads = std::min<size_t>(8, number("connections_max"));
    out.table.block_bytes = number("block_bytes");
    out.table.compress = config.boolean("compression");
    out.table.filter_bits_per_key = static_cast<unsigned>(config.integer("bloom_bits_per_key"));
    return out;
  }
};

}  // namespace

ORBIT_PLUGIN(S3Storage)
