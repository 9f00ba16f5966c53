// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <algorithm>
#include <cstddef>

#include "plugin/library.hpp"

namespace orbit::kernel {
namespace {

// What version 1.0 of the edge has; later minors only add behind it.
constexpr uint32_t kDescriptorBytes =
    offsetof(orbit_plugin_descriptor, create) + sizeof(orbit_plugin_descriptor::create);
constexpr uint32_t kOptionBytes = offsetof(orbit_option, max) + sizeof(orbit_option::max);
constexpr uint32_t kOptionsMax = 1024;
constexpr size_t kIdsMax = 64;
constexpr size_t kIdBytesMax = 128;

bool good_id(std::string_view id) {
  return !id.empty() && id.size() <= kIdBytesMax && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  });
}

Result<std::vector<std::string>> read_ids(const char* const* list, const char* what, const std::string& file) {
  std::vector<std::string> out;
  if (list == nullptr) return out;
  for (; *list != nullptr; ++list) {
    if (out.size() == kIdsMax)
      return refuse(file, std::string("found more than ") + std::to_string(kIdsMax) + " ids in `" + what +
                              "`, expected a null at its end");
    out.emplace_back(*list);
  }
  return out;
}

Result<Options> read_options(const orbit_plugin_descriptor& raw, const std::string& file) {
  Options out;
  if (raw.option_count == 0) return out;
  if (raw.option_count > kOptionsMax || raw.options == nullptr)
    return refuse(file, "found " + std::to_string(raw.option_count) + " options" +
                            (raw.options == nullptr ? " at null" : "") + ", expected at most " +
                            std::to_string(kOptionsMax));
  // The elements may be larger than ours; their own size is the distance between them.
  const uint32_t stride = raw.options->struct_size;
  if (stride < kOptionBytes || stride > 4096 || stride % alignof(orbit_option) != 0)
    return refuse(file, "found options of " + std::to_string(stride) + " bytes, expected at least " +
                            std::to_string(kOptionBytes));
  const auto* at = reinterpret_cast<const char*>(raw.options);
  for (uint32_t i = 0; i < raw.option_count; ++i, at += stride) {
    const auto* option = reinterpret_cast<const orbit_option*>(at);
    if (option->struct_size != stride)
      return refuse(file, "found options of " + std::to_string(stride) + " and of " +
                              std::to_string(option->struct_size) + " bytes, expected one size");
    out.push_back(*option);
    out.back().struct_size = sizeof(orbit_option);
  }
  if (const std::string fault = schema_fault(out); !fault.empty())
    return refuse(file, "found a bad config schema: " + fault);
  return out;
}

}  // namespace

Result<Descriptor> read_descriptor(const orbit_plugin_descriptor* raw, const std::string& file) {
  if (raw == nullptr) return refuse(file, "'" ORBIT_PLUGIN_SYMBOL "' returned null, expected a descriptor");
  const uint32_t size = raw->struct_size;
  if (size < offsetof(orbit_plugin_descriptor, id))
    return refuse(file, "found a descriptor of " + std::to_string(size) + " bytes, expected at least " +
                            std::to_string(kDescriptorBytes));
  if (raw->abi_major != ORBIT_ABI_MAJOR)
    return refuse(file, "found ABI major " + std::to_string(raw->abi_major) + " (built for " +
                            std::to_string(raw->abi_major) + "." + std::to_string(raw->abi_minor) + "), expected " +
                            std::to_string(ORBIT_ABI_MAJOR));
  if (size < kDescriptorBytes)
    return refuse(file, "found a descriptor of " + std::to_string(size) + " bytes, expected at least " +
                            std::to_string(kDescriptorBytes));
  if (raw->id == nullptr || !good_id(raw->id))
    return refuse(file, "found a descriptor without a usable id, expected letters, digits, '.', '_' and '-'");
  if (raw->version == nullptr || raw->doc == nullptr || raw->create == nullptr)
    return refuse(file, "found a descriptor of '" + std::string(raw->id) +
                            "' without version, doc or create, expected all three");

  Descriptor out;
  out.file = file;
  out.id = raw->id;
  out.version = raw->version;
  out.doc = raw->doc;
  out.abi_major = raw->abi_major;
  out.abi_minor = raw->abi_minor;
  out.create = raw->create;
  auto provides = read_ids(raw->provides, "provides", file);
  if (!provides) return tl::unexpected(provides.error());
  auto needs = read_ids(raw->needs, "needs", file);
  if (!needs) return tl::unexpected(needs.error());
  auto options = read_options(*raw, file);
  if (!options) return tl::unexpected(options.error());
  out.provides = std::move(*provides);
  out.needs = std::move(*needs);
  out.options = std::move(*options);
  return out;
}

}  // namespace orbit::kernel
