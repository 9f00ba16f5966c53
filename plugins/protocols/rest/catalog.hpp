// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What can be called, made ready once per change of the loaded modules: plans for JSON, paths, the OpenAPI document.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "http_rule.hpp"
#include "json_codec.hpp"
#include "orbit/plugin.hpp"
#include "orbit/wire_types.hpp"

namespace orbit::rest {

struct Type;

struct Method {
  const Type* type = nullptr;
  const WireMethod* wire = nullptr;
  const MessagePlan* input = nullptr;
  const MessagePlan* output = nullptr;
  std::vector<HttpRule> rules;
};

struct Type {
  const WireType* wire = nullptr;
  const JsonCodec* codec = nullptr;
  const MessagePlan* state = nullptr;  // null: it has none that could be read
  std::vector<Method> methods;

  const Method* find(std::string_view method) const noexcept {
    for (const Method& one : methods)
      if (one.wire->name() == method) return &one;
    return nullptr;
  }
};

// Whether a caller may see a method; null: reading states of the type.
using Sees = std::function<bool(const Type& type, const Method* method)>;

class Catalog {
 public:
  static constexpr size_t kDocumentsMax = 16;  // kept, of callers who see different things

  // complaints: what is wrong with the annotations of the modules, for the log.
  Catalog(std::shared_ptr<const WireTypes> types, std::vector<std::string>& complaints);

  uint64_t generation() const noexcept { return types_->generation(); }
  const WireTypes& wire() const noexcept { return *types_; }
  const std::vector<Type>& types() const noexcept { return all_; }
  const Type* find(std::string_view name) const noexcept;
  // A message of any module by its full name; null: there is none.
  struct Found {
    const MessagePlan* plan = nullptr;
    const JsonCodec* codec = nullptr;
  };
  Found message(std::string_view full_name) const;

  // What that caller may see, made when it is first asked for. [any thread]
  std::string openapi(bool asks_credentials, const Sees& sees) const;
  // {"types":[{"name":..., "methods":[{"name":..., "readOnly":...}]}]}, of what that caller may see.
  std::string types_json(const Sees& sees) const;

 private:
  std::shared_ptr<const WireTypes> types_;
  std::map<const WireModule*, std::unique_ptr<JsonCodec>> codecs_;
  std::vector<Type> all_;
  std::map<std::string, Found, std::less<>> messages_;
  mutable std::mutex mutex_;
  mutable std::map<std::vector<bool>, std::string> openapi_;  // by what is seen
};

}  // namespace orbit::rest
