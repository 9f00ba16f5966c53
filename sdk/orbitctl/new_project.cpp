// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "new_project.hpp"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <ostream>
#include <sstream>

namespace orbit::ctl {

namespace fs = std::filesystem;

namespace {

constexpr size_t kNameMax = 64;

// C++20's keywords (https://en.cppreference.com/w/cpp/keyword) that have the shape of a name; namespaces of the libraries that a
// project uses; and what the C library has in the global namespace and somebody might call a project.
constexpr std::string_view kTakenNames[] = {
    "alignas", "alignof", "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "break", "case", "catch", "char", "char16_t",
    "char32_t", "char8_t", "class", "co_await", "co_return", "co_yield", "compl", "concept", "const", "const_cast", "consteval",
    "constexpr", "constinit", "continue", "decltype", "default", "delete", "do", "double", "dynamic_cast", "else", "enum", "explicit",
    "export", "extern", "false", "float", "for", "friend", "goto", "if", "inline", "int", "long", "mutable", "namespace", "new",
    "noexcept", "not", "not_eq", "nullptr", "operator", "or", "or_eq", "private", "protected", "public", "register", "reinterpret_cast",
    "requires", "return", "short", "signed", "sizeof", "static", "static_assert", "static_cast", "struct", "switch", "template", "this",
    "thread_local", "throw", "true", "try", "typedef", "typeid", "typename", "union", "unsigned", "using", "virtual", "void",
    "volatile", "wchar_t", "while", "xor", "xor_eq", "boost", "doctest", "google", "main", "orbit", "std", "tl",
    "abort", "accept", "access", "alarm", "bind", "clock", "close", "connect", "daemon", "exit", "gamma", "index", "link", "listen",
    "log", "open", "pause", "pipe", "poll", "printf", "profil", "read", "remove", "rename", "select", "send", "signal", "sleep",
    "socket", "stat", "sync", "system", "time", "timer_t", "wait", "write"};

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
char to_upper(char c) { return is_lower(c) ? static_cast<char>(c - 'a' + 'A') : c; }

void replace_all(std::string& text, std::string_view token, std::string_view value) {
  for (size_t at = text.find(token); at != std::string::npos; at = text.find(token, at + value.size()))
    text.replace(at, token.size(), value);
}

// Folders directly below, sorted.
std::vector<std::string> folders_in(const fs::path& path) {
  std::vector<std::string> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path, error))
    if (entry.is_directory()) out.push_back(entry.path().filename().string());
  std::sort(out.begin(), out.end());
  return out;
}

void copy_file(const fs::path& from, const fs::path& to, const ProjectName& name) {
  std::ifstream in(from, std::ios::binary);
  std::stringstream content;
  content << in.rdbuf();
  if (!in) throw Failure(kExitRefused, "cannot read the template " + from.string());
  fs::create_directories(to.parent_path());
  std::ofstream out(to, std::ios::binary);
  out << fill_in(content.str(), name);
  out.close();
  if (!out) throw Failure(kExitRefused, "cannot write " + to.string());
  fs::permissions(to, fs::status(from).permissions());
}

ExitCode make(const Invocation& call, const fs::path& from, const std::string& name, std::string_view use) {
  const ProjectName project = project_name(name);
  // CMake looks there of its own accord; elsewhere it must be told where this Orbit is.
  const fs::path prefix = template_root().parent_path().parent_path().parent_path();
  const bool known = prefix == "/usr" || prefix == "/usr/local";
  const auto files = copy_template(from, project.snake, project);
  call.out << "made " << project.snake << "/\n";
  for (const auto& file : files) call.out << "  " << file.string() << '\n';
  call.out << "next:\n  cd " << project.snake << "\n  cmake -B build"
           << (known ? "" : " -DCMAKE_PREFIX_PATH=" + prefix.string()) << " && cmake --build build\n  "
           << fill_in(std::string(use), project) << "\nREADME.md there tells more.\n";
  return kExitOk;
}

}  // namespace

ProjectName project_name(const std::string& name) {
  const bool shaped =
      !name.empty() && name.size() <= kNameMax && is_lower(name.front()) && name.back() != '_' &&
      name.find("__") == std::string::npos &&
      std::all_of(name.begin(), name.end(), [](char c) { return is_lower(c) || (c >= '0' && c <= '9') || c == '_'; });
  if (!shaped)
    throw Failure(kExitUsage, "the name '" + name +
                                  "' must be lower-case letters, digits and single underscores, begin with a "
                                  "letter and have at most " +
                                  std::to_string(kNameMax) + " characters, as in bank_account");
  if (std::ranges::find(kTakenNames, name) != std::end(kTakenNames))
    throw Failure(kExitUsage, "the name '" + name + "' is taken in C++, where the project's name becomes a namespace: "
                                                    "choose another one, such as my_" + name);
  ProjectName out{name, {}, {}};
  bool start = true;
  for (const char c : name) {
    out.upper += to_upper(c);
    if (c != '_') out.pascal += start ? to_upper(c) : c;
    start = c == '_';
  }
  return out;
}

std::string fill_in(std::string text, const ProjectName& name) {
  replace_all(text, "@name@", name.snake);
  replace_all(text, "@Name@", name.pascal);
  replace_all(text, "@NAME@", name.upper);
  return text;
}

fs::path template_root() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error) throw Failure(kExitRefused, "cannot tell where orbitctl itself is: " + error.message());
  fs::path root = program.parent_path().parent_path() / "share" / "orbit" / "template";
  if (!fs::is_directory(root))
    throw Failure(kExitRefused, "there are no templates in " + root.string() + "; they are installed with orbitctl");
  return root;
}

std::vector<fs::path> copy_template(const fs::path& from, const fs::path& into, const ProjectName& name) {
  if (fs::exists(fs::symlink_status(into)))
    throw Failure(kExitRefused, into.string() + " exists already; nothing was written");
  const fs::path unfinished = into.string() + ".new-" + std::to_string(getpid());
  std::vector<fs::path> made;
  try {
    for (const auto& entry : fs::recursive_directory_iterator(from)) {
      if (!entry.is_regular_file()) continue;
      made.emplace_back(fill_in(entry.path().lexically_relative(from).string(), name));
      copy_file(entry.path(), unfinished / made.back(), name);
    }
    if (made.empty()) throw Failure(kExitRefused, "the template " + from.string() + " is empty");
    fs::rename(unfinished, into);
  } catch (const fs::filesystem_error& e) {
    std::error_code ignored;
    fs::remove_all(unfinished, ignored);
    throw Failure(kExitRefused, e.what());
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(unfinished, ignored);
    throw;
  }
  std::sort(made.begin(), made.end());
  return made;
}

ExitCode new_actor(const Invocation& call) {
  return make(call, template_root() / "actor", call.arguments[0], "orbitctl module load build/@name@.so");
}

ExitCode new_plugin(const Invocation& call) {
  const fs::path root = template_root() / "plugin";
  const auto kinds = folders_in(root);
  const std::string& kind = call.arguments[0];
  if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) {
    std::string known;
    for (const std::string& one : kinds) known += " " + one;
    throw Failure(kExitUsage, "there is no template for a plugin of kind '" + kind + "'; kinds:" + known);
  }
  return make(call, root / kind, call.arguments[1],
              "name build/@name@.so in a [[plugin]] entry of the node's TOML file");
}

}  // namespace orbit::ctl
