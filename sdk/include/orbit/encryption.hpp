// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Encryption at rest for storage engines: AES-256-GCM (NIST SP 800-38D) and HKDF-SHA256 (RFC 5869) of OpenSSL, keys
// that are named by reference, data keys wrapped by a master key. Whoever includes this links OpenSSL's libcrypto (3.0
// or later).
//
// The shape is the usual one of two layers (a master key that wraps random data keys, so that changing the master key
// rewrites no data), but authenticated: what was changed, moved or swapped on the device does not open.
#pragma once

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "result.hpp"

namespace orbit {

namespace detail {

// libcrypto refuses these calls only when it is out of memory or broken; going on would write what nobody can read.
inline void openssl_must(bool done, const char* what) {
  if (done) return;
  std::fprintf(stderr, "orbit: OpenSSL cannot %s\n", what);
  std::abort();
}

inline void random_bytes(char* out, size_t size) {
  openssl_must(RAND_bytes(reinterpret_cast<unsigned char*>(out), static_cast<int>(size)) == 1, "make random bytes");
}

inline const unsigned char* as_octets(const char* p) noexcept { return reinterpret_cast<const unsigned char*>(p); }
inline unsigned char* as_octets(char* p) noexcept { return reinterpret_cast<unsigned char*>(p); }

}  // namespace detail

// 32 bytes; wiped when it goes.
class EncryptionKey {
 public:
  static constexpr size_t kBytes = 32;
  EncryptionKey() = default;
  EncryptionKey(const EncryptionKey&) = default;
  EncryptionKey& operator=(const EncryptionKey&) = default;
  ~EncryptionKey() { OPENSSL_cleanse(bytes_.data(), kBytes); }

  static EncryptionKey random() {
    EncryptionKey out;
    detail::random_bytes(out.bytes_.data(), kBytes);
    return out;
  }
  const char* data() const noexcept { return bytes_.data(); }
  char* data() noexcept { return bytes_.data(); }

  // A key of its own for each pair of salt, which is not empty, and purpose (HKDF).
  EncryptionKey derive(Bytes salt, Bytes purpose) const {
    EncryptionKey out;
    EVP_KDF* const kdf = EVP_KDF_fetch(nullptr, "HKDF", nullptr);
    EVP_KDF_CTX* const context = EVP_KDF_CTX_new(kdf);
    EVP_KDF_free(kdf);
    const auto octets = [](const char* name, const char* data, size_t size) {
      return OSSL_PARAM_construct_octet_string(name, const_cast<char*>(data), size);
    };
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0), octets(OSSL_KDF_PARAM_KEY, data(), kBytes),
        octets(OSSL_KDF_PARAM_SALT, salt.data(), salt.size()),
        octets(OSSL_KDF_PARAM_INFO, purpose.data(), purpose.size()), OSSL_PARAM_construct_end()};
    detail::openssl_must(EVP_KDF_derive(context, detail::as_octets(out.data()), kBytes, parameters) == 1,
                         "derive a key");
    EVP_KDF_CTX_free(context);
    return out;
  }
  // Tells keys apart, and says nothing of them.
  uint64_t id() const {
    const EncryptionKey derived = derive("orbit", "key id");
    uint64_t out;
    std::memcpy(&out, derived.data(), sizeof out);
    return out;
  }

 private:
  std::array<char, kBytes> bytes_{};
};

inline std::string key_name(uint64_t id) {
  char out[17];
  std::snprintf(out, sizeof out, "%016llx", static_cast<unsigned long long>(id));
  return out;
}

// 64 hexadecimal digits or 44 characters of base64, with white space around them.
inline std::optional<EncryptionKey> parse_key(Bytes text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  EncryptionKey out;
  if (text.size() == 2 * EncryptionKey::kBytes) {
    const auto digit = [](char c) -> int {
      if (c >= '0' && c <= '9') return c - '0';
      if (c >= 'a' && c <= 'f') return c - 'a' + 10;
      if (c >= 'A' && c <= 'F') return c - 'A' + 10;
      return -1;
    };
    for (size_t i = 0; i < EncryptionKey::kBytes; ++i) {
      const int high = digit(text[2 * i]);
      const int low = digit(text[2 * i + 1]);
      if (high < 0 || low < 0) return {};
      out.data()[i] = static_cast<char>(high << 4 | low);
    }
    return out;
  }
  if (text.size() != 44 || text.back() != '=' || text[42] == '=') return {};
  unsigned char decoded[33];
  if (EVP_DecodeBlock(decoded, detail::as_octets(text.data()), 44) != 33) return {};
  std::memcpy(out.data(), decoded, EncryptionKey::kBytes);
  OPENSSL_cleanse(decoded, sizeof decoded);
  return out;
}

// `reference` is "file:/path" or "env:NAME"; `setting` is what errors call it. They never contain what was found there,
// nor a reference that may be a key.
inline Result<EncryptionKey> load_key(const std::string& setting, const std::string& reference) {
  std::string text;
  if (reference.starts_with("env:")) {
    const char* const found = std::getenv(reference.c_str() + 4);
    if (found == nullptr) return fail(Code::not_found, setting + ": the environment has no " + reference.substr(4));
    text = found;
  } else if (reference.starts_with("file:")) {
    std::ifstream file(reference.substr(5), std::ios::binary);
    text.resize(256);
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (file.gcount() == 0)
      return fail(Code::not_found, setting + ": cannot read " + reference.substr(5) + ", or it is empty");
    text.resize(static_cast<size_t>(file.gcount()));
  } else {
    return fail(
        Code::invalid_argument,
        setting +
            " must say where the key is, \"file:/path\" or \"env:NAME\"; a key itself has no place in a configuration");
  }
  const auto key = parse_key(text);
  OPENSSL_cleanse(text.data(), text.size());
  if (!key)
    return fail(Code::invalid_argument,
                setting + ": " + reference +
                    " holds no key; expected 32 bytes as 64 hexadecimal digits or 44 characters of base64");
  return *key;
}

// A data key under a master key, as it lies in a file.
struct WrappedKey {
  uint64_t master_id;
  std::array<char, 60> bytes;  // nonce, tag, key
};

// Encrypts and authenticates under one key. All functions may be called from several threads at once.
class Sealer {
 public:
  static constexpr size_t kNonceBytes = 12;
  static constexpr size_t kTagBytes = 16;
  static constexpr size_t kSealBytes = kNonceBytes + kTagBytes;

  explicit Sealer(const EncryptionKey& key) : key_(key) {}
  Sealer(const Sealer&) = delete;
  Sealer& operator=(const Sealer&) = delete;
  ~Sealer() {
    for (auto& pool : contexts_)
      for (EVP_CIPHER_CTX* context : pool) EVP_CIPHER_CTX_free(context);
  }

  // Writes nonce, tag and the encrypted parts to `out`, kSealBytes longer than the parts. `place` is authenticated with
  // them: it says what this is and where, so that it opens nowhere else.
  //
  // A nonce is 72 random bits and a counter of 24; new random bits are drawn with each Sealer and each 2^24 nonces. So
  // processes that use a key one after the other, or from copies of one file, need to know nothing of each other: after
  // 2^20 draws (a million openings, or 2^44 messages) two of them were the same with a probability of 2^-33.
  void seal(Bytes place, std::span<const Bytes> parts, char* out) {
    next_nonce(out);
    encrypt(out, place, parts, out + kSealBytes, out + kNonceBytes);
  }
  void seal(Bytes place, Bytes data, char* out) { seal(place, std::span<const Bytes>(&data, 1), out); }
  // False: this is not what was sealed for the place under this key. `out` may be where the data begins in `sealed`.
  bool open(Bytes place, Bytes sealed, char* out) const {
    if (sealed.size() < kSealBytes) return false;
    return decrypt(sealed.data(), place, sealed.substr(kSealBytes), out, sealed.data() + kNonceBytes);
  }

  // For a key that belongs to one file, each position of which is written once: the position is the nonce. A key is
  // used with these or with the ones above, never both.
  void seal_at(uint64_t position, Bytes place, Bytes data, char* out, char* tag) const {
    char nonce[kNonceBytes] = {};
    std::memcpy(nonce, &position, sizeof position);
    encrypt(nonce, place, {&data, 1}, out, tag);
  }
  bool open_at(uint64_t position, Bytes place, Bytes data, char* out, const char* tag) const {
    char nonce[kNonceBytes] = {};
    std::memcpy(nonce, &position, sizeof position);
    return decrypt(nonce, place, data, out, tag);
  }

 private:
  static constexpr size_t kStep = size_t{1} << 30;  // OpenSSL counts in int

  void next_nonce(char* out) {
    const std::lock_guard lock(nonce_lock_);
    if (counter_ == 0) detail::random_bytes(drawn_, sizeof drawn_);
    std::memcpy(out, drawn_, sizeof drawn_);
    std::memcpy(out + sizeof drawn_, &counter_, kNonceBytes - sizeof drawn_);
    counter_ = (counter_ + 1) & 0xffffff;
  }

  // A context that has the key already: setting it costs more than encrypting a page.
  class Context {
   public:
    Context(const Sealer& sealer, bool encrypting) : sealer_(sealer), pool_(sealer.contexts_[encrypting ? 1 : 0]) {
      {
        const std::lock_guard lock(sealer.contexts_lock_);
        if (!pool_.empty()) {
          context_ = pool_.back();
          pool_.pop_back();
          return;
        }
      }
      context_ = EVP_CIPHER_CTX_new();
      detail::openssl_must(context_ != nullptr && EVP_CipherInit_ex(context_, EVP_aes_256_gcm(), nullptr,
                                                                    detail::as_octets(sealer.key_.data()), nullptr,
                                                                    encrypting ? 1 : 0) == 1,
                           "set up AES-256-GCM");
    }
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;
    ~Context() {
      const std::lock_guard lock(sealer_.contexts_lock_);
      pool_.push_back(context_);
    }
    EVP_CIPHER_CTX* get() const noexcept { return context_; }

   private:
    const Sealer& sealer_;
    std::vector<EVP_CIPHER_CTX*>& pool_;
    EVP_CIPHER_CTX* context_ = nullptr;
  };

  void encrypt(const char* nonce, Bytes place, std::span<const Bytes> parts, char* out, char* tag) const {
    const Context context(*this, true);
    int done = 0;
    bool good = EVP_EncryptInit_ex(context.get(), nullptr, nullptr, nullptr, detail::as_octets(nonce)) == 1 &&
                EVP_EncryptUpdate(context.get(), nullptr, &done, detail::as_octets(place.data()),
                                  static_cast<int>(place.size())) == 1;
    for (Bytes part : parts)
      for (; good && !part.empty(); part.remove_prefix(std::min(kStep, part.size()))) {
        const auto size = static_cast<int>(std::min(kStep, part.size()));
        good =
            EVP_EncryptUpdate(context.get(), detail::as_octets(out), &done, detail::as_octets(part.data()), size) == 1;
        out += size;
      }
    unsigned char rest[16];
    good = good && EVP_EncryptFinal_ex(context.get(), rest, &done) == 1 &&
           EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes, tag) == 1;
    detail::openssl_must(good, "encrypt");
  }
  bool decrypt(const char* nonce, Bytes place, Bytes data, char* out, const char* tag) const {
    const Context context(*this, false);
    char expected[kTagBytes];
    std::memcpy(expected, tag, sizeof expected);
    int done = 0;
    bool good = EVP_DecryptInit_ex(context.get(), nullptr, nullptr, nullptr, detail::as_octets(nonce)) == 1 &&
                EVP_DecryptUpdate(context.get(), nullptr, &done, detail::as_octets(place.data()),
                                  static_cast<int>(place.size())) == 1;
    for (; good && !data.empty(); data.remove_prefix(std::min(kStep, data.size()))) {
      const auto size = static_cast<int>(std::min(kStep, data.size()));
      good = EVP_DecryptUpdate(context.get(), detail::as_octets(out), &done, detail::as_octets(data.data()), size) == 1;
      out += size;
    }
    detail::openssl_must(good, "decrypt");
    unsigned char rest[16];
    return EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes, expected) == 1 &&
           EVP_DecryptFinal_ex(context.get(), rest, &done) == 1;
  }

  const EncryptionKey key_;
  std::mutex nonce_lock_;
  char drawn_[9] = {};
  uint32_t counter_ = 0;
  mutable std::mutex contexts_lock_;
  mutable std::array<std::vector<EVP_CIPHER_CTX*>, 2> contexts_;
};

// What an engine is given: the key that everything is written with, and the one it may have been written with before.
class MasterKeys {
 public:
  explicit MasterKeys(const EncryptionKey& current, std::optional<EncryptionKey> previous = {})
      : current_(current),
        previous_(std::move(previous)),
        current_id_(current.id()),
        previous_id_(previous_ ? previous_->id() : 0) {}

  uint64_t current_id() const noexcept { return current_id_; }
  WrappedKey wrap(const EncryptionKey& key, Bytes place) const {
    WrappedKey out{current_id_, {}};
    Sealer(current_).seal(place, {key.data(), EncryptionKey::kBytes}, out.bytes.data());
    return out;
  }
  // FAILED_PRECONDITION: it was wrapped by a key that was not given; DATA_LOSS: it is damaged. `what` is the file.
  Result<EncryptionKey> unwrap(const WrappedKey& wrapped, Bytes place, const std::string& what) const {
    const bool is_current = wrapped.master_id == current_id_;
    if (!is_current && !(previous_ && wrapped.master_id == previous_id_))
      return fail(Code::failed_precondition,
                  what + " is encrypted with key " + key_name(wrapped.master_id) + ", but encryption_key is key " +
                      key_name(current_id_) +
                      (previous_ ? " and encryption_key_previous is key " + key_name(previous_id_)
                                 : " and encryption_key_previous is not set"));
    EncryptionKey out;
    if (!Sealer(is_current ? current_ : *previous_)
             .open(place, {wrapped.bytes.data(), wrapped.bytes.size()}, out.data()))
      return fail(Code::data_loss, what + " is damaged: its data key does not open with key " +
                                       key_name(wrapped.master_id) + ", whose name is on it");
    return out;
  }

 private:
  const EncryptionKey current_;
  const std::optional<EncryptionKey> previous_;
  const uint64_t current_id_;
  const uint64_t previous_id_;
};

// The two settings of every engine that encrypts; none when both are empty.
inline Result<std::shared_ptr<const MasterKeys>> load_master_keys(const std::string& key, const std::string& previous) {
  if (key.empty()) {
    if (!previous.empty())
      return fail(Code::invalid_argument, "encryption_key_previous is set, but encryption_key is not");
    return nullptr;
  }
  auto current = load_key("encryption_key", key);
  if (!current) return tl::unexpected<Error>(std::move(current.error()));
  if (previous.empty()) return std::make_shared<const MasterKeys>(*current);
  auto before = load_key("encryption_key_previous", previous);
  if (!before) return tl::unexpected<Error>(std::move(before.error()));
  return std::make_shared<const MasterKeys>(*current, *before);
}

inline Error error_not_encrypted(const std::string& what) {
  return {Code::failed_precondition, what +
                                         " is not encrypted, but encryption_key is set; a store is encrypted from its "
                                         "creation on or never: copy it into a new one"};
}
inline Error error_key_missing(const std::string& what, uint64_t master_id) {
  return {Code::failed_precondition,
          what + " is encrypted with key " + key_name(master_id) + ", but encryption_key is not set"};
}

}  // namespace orbit
