// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What the engine needs of an object store: strong consistency, and writes that happen only if an object is absent or
// still the one that was seen. Names are relative to the engine's prefix. All functions throw Failure; all may be
// called from several threads at once.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "coding.hpp"

namespace orbit::s3 {

struct Object {
  std::string bytes;
  std::string etag;
};

struct PutCondition {
  enum class Kind { always, absent, match };
  Kind kind = Kind::always;
  std::string etag;
  static PutCondition absent() { return {Kind::absent, {}}; }
  static PutCondition match(std::string etag) { return {Kind::match, std::move(etag)}; }
};

class ObjectStore {
 public:
  virtual ~ObjectStore() = default;
  // Nothing: there is no such object.
  virtual std::optional<Object> get(const std::string& name) = 0;
  // Exactly these bytes. Nothing: there is no such object.
  virtual std::optional<std::string> get_range(const std::string& name, uint64_t offset, uint64_t size) = 0;
  // The new ETag. Nothing: the condition was not met, by the object as it is now; that may be this very write, when an
  // earlier answer was lost. After a Failure it is not known whether the object was written, or will be.
  virtual std::optional<std::string> put(const std::string& name, Bytes bytes, const PutCondition& condition) = 0;
  // An object that nobody else writes, in parts when it is large.
  virtual void upload(const std::string& name, Bytes bytes) = 0;
  // In order of names, from the first one after `after`.
  virtual void list(const std::string& prefix, const std::string& after,
                    const std::function<void(const std::string& name, uint64_t size)>& visit) = 0;
  // Not there: not an error.
  virtual void remove(const std::string& name) = 0;
  // How people find the object: s3://bucket/prefix/name.
  virtual std::string describe(const std::string& name) const = 0;
  // Ends waiting between retries; operations fail soon from here on.
  virtual void shut_down() noexcept {}
};

}  // namespace orbit::s3
