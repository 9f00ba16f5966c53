// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Keys by reference, and what is sealed opens only unchanged and where it was sealed.
#include <doctest/doctest.h>

#include <orbit/encryption.hpp>
#include <set>
#include <thread>

#include "support/temporary_folder.hpp"

using orbit::Bytes;
using orbit::Code;
using orbit::EncryptionKey;
using orbit::MasterKeys;
using orbit::Sealer;

namespace {

std::string hex(Bytes bytes) {
  std::string out;
  char two[3];
  for (const char c : bytes)
    out.append(two, static_cast<size_t>(std::snprintf(two, sizeof two, "%02x", static_cast<unsigned char>(c))));
  return out;
}

EncryptionKey counting_key() {
  EncryptionKey out;
  for (size_t i = 0; i < EncryptionKey::kBytes; ++i) out.data()[i] = static_cast<char>(i);
  return out;
}

std::string bytes_of(const EncryptionKey& key) { return {key.data(), EncryptionKey::kBytes}; }

constexpr const char* kHex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
constexpr const char* kBase64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

}  // namespace

TEST_CASE("the cipher is AES-256-GCM: a vector of its specification") {
  // The GCM specification (McGrew and Viega), test case 14: all zeros.
  const std::string plain(16, '\0');
  std::string sealed(16, '\0');
  char tag[Sealer::kTagBytes];
  const Sealer sealer{EncryptionKey()};
  sealer.seal_at(0, {}, plain, sealed.data(), tag);
  CHECK(hex(sealed) == "cea7403d4d606b6e074ec5d3baf39d18");
  CHECK(hex({tag, sizeof tag}) == "d0d1c8a799996bf0265b98b5d48ab919");
}

TEST_CASE("keys are derived by HKDF with SHA-256") {
  // By another implementation: HMAC of Python's standard library.
  CHECK(hex(bytes_of(counting_key().derive("salt", "purpose"))) ==
        "94667bce5e44fbfb519b064d97bb4a4e6714993a9e0f99c8485e090a33876fa8");
  CHECK(bytes_of(counting_key().derive("salt", "other purpose")) != bytes_of(counting_key().derive("salt", "purpose")));
}

TEST_CASE("a key is read from hexadecimal digits or base64, and nothing else") {
  for (const std::string& text : {std::string(kHex), std::string(kBase64), std::string("\n ") + kHex + " \r\n"}) {
    const auto key = orbit::parse_key(text);
    REQUIRE(key);
    CHECK(bytes_of(*key) == bytes_of(counting_key()));
  }
  const std::string good(kHex);
  for (const std::string& text :
       {std::string(), good.substr(1), good + "00", "x" + good.substr(1), std::string(kBase64).substr(1) + "=",
        std::string(42, 'A') + "==", std::string(32, 'k')})
    CHECK_MESSAGE(!orbit::parse_key(text), text);
}

TEST_CASE("a key comes from a file or the environment, and an error about it never shows it") {
  const orbit::test::TemporaryFolder folder;
  const std::string path = folder.path + "/key";
  std::ofstream(path) << kHex << "\n";
  const auto from_file = orbit::load_key("encryption_key", "file:" + path);
  REQUIRE_MESSAGE(from_file.has_value(), (from_file ? std::string() : from_file.error().message));
  CHECK(bytes_of(*from_file) == bytes_of(counting_key()));
  ::setenv("ORBIT_TEST_KEY", kBase64, 1);
  CHECK(bytes_of(*orbit::load_key("encryption_key", "env:ORBIT_TEST_KEY")) == bytes_of(counting_key()));

  const auto inline_key = orbit::load_key("encryption_key", kHex);
  REQUIRE(!inline_key);
  CHECK(inline_key.error().code == Code::invalid_argument);
  CHECK(inline_key.error().message.find(kHex) == std::string::npos);
  std::ofstream(path) << std::string(kHex).substr(2) << "\n";
  const auto short_key = orbit::load_key("encryption_key", "file:" + path);
  REQUIRE(!short_key);
  CHECK(short_key.error().message.find(path) != std::string::npos);
  CHECK(short_key.error().message.find("0203") == std::string::npos);
  CHECK(orbit::load_key("encryption_key", "env:ORBIT_TEST_NO_SUCH").error().code == Code::not_found);
  CHECK(orbit::load_key("encryption_key", "file:" + folder.path + "/none").error().code == Code::not_found);
  CHECK(orbit::load_master_keys("", "env:ORBIT_TEST_KEY").error().code == Code::invalid_argument);
  CHECK(*orbit::load_master_keys("", "") == nullptr);
}

TEST_CASE("what was sealed opens only unchanged, at its place, under its key") {
  Sealer sealer(counting_key());
  const std::string plain = "what nobody else may read";
  std::string sealed(plain.size() + Sealer::kSealBytes, '\0');
  const Bytes parts[] = {Bytes(plain).substr(0, 7), Bytes(plain).substr(7)};
  sealer.seal("here", parts, sealed.data());
  std::string out(plain.size(), '\0');
  REQUIRE(sealer.open("here", sealed, out.data()));
  CHECK(out == plain);
  CHECK(!sealer.open("there", sealed, out.data()));
  CHECK(!Sealer(EncryptionKey::random()).open("here", sealed, out.data()));
  for (size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    std::string bad = sealed;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    CHECK(!sealer.open("here", bad, out.data()));
  }
  CHECK(!sealer.open("here", Bytes(sealed).substr(0, 20), out.data()));
  // In place.
  REQUIRE(sealer.open("here", sealed, sealed.data() + Sealer::kSealBytes));
  CHECK(sealed.substr(Sealer::kSealBytes) == plain);
}

TEST_CASE("no nonce comes twice, whichever thread or process asks") {
  std::set<std::string> nonces;
  std::mutex lock;
  constexpr int kEach = 20'000;
  for (int process = 0; process < 2; ++process) {
    Sealer sealer(counting_key());
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        std::vector<std::string> mine(kEach);
        for (std::string& nonce : mine) {
          char out[Sealer::kSealBytes];
          sealer.seal({}, Bytes(), out);
          nonce.assign(out, Sealer::kNonceBytes);
        }
        const std::lock_guard guard(lock);
        nonces.insert(mine.begin(), mine.end());
      });
    for (auto& thread : threads) thread.join();
  }
  CHECK(nonces.size() == size_t{2} * 4 * kEach);
}

TEST_CASE("a data key is unwrapped by the master key it was wrapped with, and errors say which that is") {
  const EncryptionKey first = EncryptionKey::random();
  const EncryptionKey second = EncryptionKey::random();
  const EncryptionKey data = EncryptionKey::random();
  const auto wrapped = MasterKeys(first).wrap(data, "place");
  CHECK(bytes_of(*MasterKeys(first).unwrap(wrapped, "place", "f")) == bytes_of(data));
  CHECK(bytes_of(*MasterKeys(second, first).unwrap(wrapped, "place", "f")) == bytes_of(data));
  const auto wrong = MasterKeys(second).unwrap(wrapped, "place", "some file");
  REQUIRE(!wrong);
  CHECK(wrong.error().code == Code::failed_precondition);
  for (const std::string& part : {std::string("some file"), orbit::key_name(first.id()), orbit::key_name(second.id())})
    CHECK_MESSAGE(wrong.error().message.find(part) != std::string::npos, wrong.error().message);
  CHECK(MasterKeys(first).unwrap(wrapped, "another place", "f").error().code == Code::data_loss);
  auto damaged = wrapped;
  damaged.bytes[40] ^= 1;
  CHECK(MasterKeys(first).unwrap(damaged, "place", "f").error().code == Code::data_loss);
}
