// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "plugin/search.hpp"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <optional>
#include <thread>

namespace orbit::kernel {
namespace {

namespace fs = std::filesystem;

constexpr size_t kFilesMax = 1000;  // of one folder
constexpr unsigned kProbesAtOnce = 4;

std::vector<std::string> libraries_in(const std::string& folder, std::error_code& error) {
  std::vector<std::string> out;
  for (fs::directory_iterator it(folder, error), end; !error && it != end && out.size() < kFilesMax;
       it.increment(error))
    if (it->path().extension() == ".so") out.push_back(it->path().string());
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

PluginSearch::PluginSearch(std::vector<std::string> paths, std::string executable, int64_t probe_timeout_ms)
    : paths_(std::move(paths)), executable_(std::move(executable)), probe_timeout_ms_(probe_timeout_ms) {}

Result<Descriptor> PluginSearch::probe(const std::string& file) const {
  return executable_.empty() ? load_library(file) : probe_library(file, executable_, probe_timeout_ms_);
}

void PluginSearch::scan() {
  if (scanned_) return;
  scanned_ = true;
  std::vector<std::string> files;
  for (const std::string& folder : paths_) {
    std::error_code error;
    const auto found = libraries_in(folder, error);
    notes_.push_back(folder + " (" + (error ? error.message() : std::to_string(found.size()) + " libraries") + ")");
    for (const std::string& file : found)
      if (std::find(files.begin(), files.end(), file) == files.end()) files.push_back(file);
  }
  std::vector<std::optional<Result<Descriptor>>> results(files.size());
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t i = next.fetch_add(1); i < files.size(); i = next.fetch_add(1)) results[i] = probe(files[i]);
  };
  std::vector<std::jthread> helpers;
  for (unsigned i = 1; i < kProbesAtOnce && i < files.size(); ++i) helpers.emplace_back(work);
  work();
  helpers.clear();
  for (size_t i = 0; i < files.size(); ++i) {
    if (*results[i])
      files_.emplace((*results[i])->id, **results[i]);
    else
      refused_.push_back(results[i]->error().message);
  }
}

void PluginSearch::forget() {
  scanned_ = false;
  files_.clear();
  refused_.clear();
  notes_.clear();
}

const std::multimap<std::string, Descriptor>& PluginSearch::all() {
  scan();
  return files_;
}

Result<Descriptor> PluginSearch::find(const std::string& id) {
  scan();
  const auto [first, last] = files_.equal_range(id);
  if (first != last && std::next(first) == last) return first->second;
  if (first != last)
    return fail(Code::failed_precondition, first->second.file + ": found the id '" + id + "' also in " +
                                               std::next(first)->second.file +
                                               ", expected one file with it; `path` chooses");
  std::string text = "found no file with the id '" + id + "'; searched ";
  for (const std::string& note : notes_) text += (&note == notes_.data() ? "" : ", ") + note;
  if (notes_.empty()) text += "nothing, node.plugin_paths is empty";
  std::vector<std::string_view> ids;
  for (const auto& entry : files_) ids.emplace_back(entry.first);
  if (!ids.empty()) text += nearest_hint(id, ids);
  for (const std::string& refused : refused_) text += "; refused " + refused;
  return fail(Code::not_found, text);
}

}  // namespace orbit::kernel
