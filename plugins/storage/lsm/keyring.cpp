// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "keyring.hpp"

namespace orbit::lsm {
namespace {

constexpr uint64_t kSealedManifestMagic = 0x3153494e414d4c4f;  // "OLMANIS1"

std::string wrapping_place(uint64_t id) {
  std::string out = "orbit.lsm";
  put_fixed(out, id);
  return out;
}

std::unique_ptr<Sealer> manifest_sealer(const EncryptionKey& key) {
  return std::make_unique<Sealer>(key.derive("orbit", "orbit.lsm manifest"));
}

}  // namespace

Keyring::Keyring(std::shared_ptr<const MasterKeys> master) : master_(std::move(master)) {
  add();
  ready();
}

void Keyring::add() {
  DataKey fresh{0, EncryptionKey::random(), {}};
  while (fresh.id == 0) detail::random_bytes(reinterpret_cast<char*>(&fresh.id), sizeof fresh.id);
  fresh.wrapped = master_->wrap(fresh.key, wrapping_place(fresh.id));
  keys_.push_back(fresh);
}

void Keyring::ready() { manifest_sealer_ = manifest_sealer(keys_.back().key); }

bool Keyring::is_sealed_manifest(Bytes data) noexcept {
  return data.size() >= 8 && load<uint64_t>(data.data()) == kSealedManifestMagic;
}

std::unique_ptr<Keyring> Keyring::open_manifest(Bytes sealed, const std::string& path,
                                                std::shared_ptr<const MasterKeys> master, std::string& plain) {
  if (sealed.size() < 16 || checksum(sealed.substr(0, sealed.size() - 8), kSealedManifestMagic) !=
                                load<uint64_t>(sealed.data() + sealed.size() - 8))
    raise(Code::data_loss, "the manifest " + path + " is damaged: the checksum of its " +
                               std::to_string(sealed.size()) + " bytes is wrong");
  sealed.remove_suffix(8);
  Parser parser(sealed, path);
  parser.take(8);
  const auto master_id = parser.fixed<uint64_t>();
  if (master == nullptr) throw Failure{error_key_missing(path, master_id)};
  const size_t count = parser.count();
  if (count == 0) parser.damaged();
  std::vector<DataKey> keys;
  size_t head = 8 + 8 + 1;
  for (size_t n = count; n >= 0x80; n >>= 7) ++head;
  for (size_t i = 0; i < count; ++i) {
    DataKey key{};
    key.id = parser.fixed<uint64_t>();
    key.wrapped.master_id = master_id;
    const Bytes bytes = parser.take(key.wrapped.bytes.size());
    std::copy(bytes.begin(), bytes.end(), key.wrapped.bytes.begin());
    key.key = must(master->unwrap(key.wrapped, wrapping_place(key.id), path));
    head += 8 + bytes.size();
    keys.push_back(key);
  }
  const Bytes body = sealed.substr(head);
  if (body.size() < Sealer::kSealBytes) parser.damaged();
  plain.resize(body.size() - Sealer::kSealBytes);
  if (!manifest_sealer(keys.back().key)->open(sealed.substr(0, head), body, plain.data()))
    raise(Code::data_loss, "the manifest " + path + " is damaged: it does not open with the database's key");

  std::unique_ptr<Keyring> out(new Keyring(std::move(master), std::move(keys)));
  if (master_id != out->master_->current_id()) {
    for (DataKey& key : out->keys_) key.wrapped = out->master_->wrap(key.key, wrapping_place(key.id));
    // Whoever changes the master key wants the old ones out of use some day: what is written from now on has another
    // one.
    out->add();
  }
  out->ready();
  return out;
}

std::string Keyring::seal_manifest(Bytes plain, const std::set<uint64_t>& used) const {
  std::vector<const DataKey*> written;
  for (const DataKey& key : keys_)
    if (&key == &keys_.back() || used.contains(key.id)) written.push_back(&key);
  std::string out;
  put_fixed(out, kSealedManifestMagic);
  put_fixed(out, master_->current_id());
  put_varint(out, written.size());
  for (const DataKey* key : written) {
    put_fixed(out, key->id);
    out.append(key->wrapped.bytes.data(), key->wrapped.bytes.size());
  }
  const std::string head = out;
  out.resize(head.size() + Sealer::kSealBytes + plain.size());
  manifest_sealer_->seal(head, plain, out.data() + head.size());
  put_fixed(out, checksum(out, kSealedManifestMagic));
  return out;
}

std::set<uint64_t> Keyring::all() const {
  std::set<uint64_t> out;
  for (const DataKey& key : keys_) out.insert(key.id);
  return out;
}

FileSeal Keyring::new_file() const {
  FileSeal out{};
  out.key.data_key = keys_.back().id;
  detail::random_bytes(out.key.salt, sizeof out.key.salt);
  out.sealer = sealer_of(out.key, {});
  return out;
}

std::unique_ptr<Sealer> Keyring::sealer_of(const FileKey& key, const std::string& path) const {
  for (const DataKey& at : keys_)
    if (at.id == key.data_key)
      return std::make_unique<Sealer>(at.key.derive({key.salt, sizeof key.salt}, "orbit.lsm file"));
  raise(Code::data_loss, path + " is damaged: its data key " + key_name(key.data_key) + " is none of the manifest's");
}

}  // namespace orbit::lsm
