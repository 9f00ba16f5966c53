// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Writing a plugin that keeps backups somewhere (ext/backup_target.h): derive from BackupTargetPlugin, say the scheme
// of its addresses, and open places that derive from BackupObjects.
//
//   class Tapes final : public orbit::BackupTargetPlugin<Tapes> {
//    public:
//     static constexpr const char* kScheme = "tape";
//     orbit::Result<std::unique_ptr<orbit::BackupObjects>> open_place(const std::string& address);
//     ...
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "ext/backup_target.h"
#include "plugin.hpp"

namespace orbit {

// A place. What each function promises is said in ext/backup_target.h; exceptions become errors.
class BackupObjects {
 public:
  virtual ~BackupObjects() = default;
  // Nothing: there is no such object.
  virtual Result<std::optional<std::string>> read(const std::string& name, uint64_t bytes_max) = 0;
  virtual Result<> write(const std::string& name, Bytes bytes, bool replace) = 0;
  virtual Result<> list(const std::string& prefix,
                        const std::function<void(const std::string& name, uint64_t size)>& visit) = 0;
  virtual Result<> remove(const std::string& name) = 0;
};

template <class P>
class BackupTargetPlugin : public Plugin {
 public:
  const void* extension(std::string_view id) noexcept override {
    return id == ORBIT_BACKUP_TARGET_V1 ? &kTable : nullptr;
  }

 private:
  static BackupObjects& place_of(orbit_backup_place* raw) noexcept { return *reinterpret_cast<BackupObjects*>(raw); }

  static orbit_bytes scheme(void*) { return to_c(Bytes(P::kScheme)); }
  static orbit_code open(void* self, orbit_bytes address, orbit_backup_place** place, orbit_error* error) {
    return at_edge(error, [&]() -> Result<> {
      P& plugin = static_cast<P&>(*static_cast<detail::InstanceBox<P>*>(self)->plugin);
      auto opened = plugin.open_place(std::string(from_c(address)));
      if (!opened) return tl::unexpected<Error>(std::move(opened.error()));
      *place = reinterpret_cast<orbit_backup_place*>(opened->release());
      return {};
    });
  }
  static void close(void*, orbit_backup_place* place) { delete &place_of(place); }
  static orbit_code read(void*, orbit_backup_place* place, orbit_bytes name, uint64_t bytes_max, orbit_sink bytes,
                         orbit_error* error) {
    return at_edge(error, [&]() -> Result<> {
      auto found = place_of(place).read(std::string(from_c(name)), bytes_max);
      if (!found) return tl::unexpected<Error>(std::move(found.error()));
      if (!*found) return fail(Code::not_found, "there is no " + std::string(from_c(name)));
      if ((*found)->size() > bytes_max)
        return fail(Code::data_loss, std::string(from_c(name)) + " has " + std::to_string((*found)->size()) +
                                         " bytes, expected at most " + std::to_string(bytes_max));
      bytes.append(bytes.ctx, to_c(Bytes(**found)));
      return {};
    });
  }
  static orbit_code write(void*, orbit_backup_place* place, orbit_bytes name, orbit_bytes bytes, int replace,
                          orbit_error* error) {
    return at_edge(error,
                   [&] { return place_of(place).write(std::string(from_c(name)), from_c(bytes), replace != 0); });
  }
  static orbit_code list(void*, orbit_backup_place* place, orbit_bytes prefix, orbit_visit_object visit, void* ctx,
                         orbit_error* error) {
    return at_edge(error, [&] {
      return place_of(place).list(std::string(from_c(prefix)),
                                  [&](const std::string& name, uint64_t size) { visit(ctx, to_c(Bytes(name)), size); });
    });
  }
  static orbit_code remove(void*, orbit_backup_place* place, orbit_bytes name, orbit_error* error) {
    return at_edge(error, [&] { return place_of(place).remove(std::string(from_c(name))); });
  }

  static constexpr orbit_backup_target_v1 kTable = {
      sizeof(orbit_backup_target_v1), 0, &scheme, &open, &close, &read, &write, &list, &remove};
};

}  // namespace orbit
