// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <orbit/testkit/faulty_files.hpp>

#include <algorithm>
#include <cstring>
#include <set>

namespace orbit::testkit {

namespace {

constexpr size_t kSector = 512;

struct Event {
  enum class Kind { write, sync, sync_failed, resize, names, sync_names, mark };
  Kind kind;
  size_t file = 0;
  uint64_t offset = 0;  // of a write; size of a resize; value of a mark
  std::string data;     // of a write; name of a mark
  std::map<std::string, size_t> names;
};

// Writes that may still be lost, in order. A resize is kept as one, since sizes are metadata of the same kind.
struct Pending {
  bool resize;
  uint64_t offset;
  std::string data;
};

void put_bytes(std::string& into, uint64_t offset, std::string_view data) {
  if (into.size() < offset + data.size()) into.resize(offset + data.size());
  std::memcpy(into.data() + offset, data.data(), data.size());
}

}  // namespace

struct FaultyFiles::State {
  std::mutex lock;
  std::vector<std::string> files;
  std::map<std::string, size_t> names;
  std::set<std::string> locks;
  bool recording = true;
  std::vector<Event> events;
  std::vector<std::string> first_files;  // what was durable when the record began
  std::map<std::string, size_t> first_names;
  std::function<std::optional<Error>(FileOperation)> fault;
  std::function<std::optional<Error>()> read_fault;

  void record(Event event) {
    if (recording) events.push_back(std::move(event));
  }
  std::optional<Error> failure(FileOperation operation) { return fault ? fault(operation) : std::nullopt; }
  void record_names() { record({Event::Kind::names, 0, 0, {}, names}); }
};

class FaultyFiles::Handle final : public File {
 public:
  Handle(std::shared_ptr<State> state, size_t file) : state_(std::move(state)), file_(file) {}

  Result<size_t> read(uint64_t offset, std::span<char> into) override {
    const std::lock_guard lock(state_->lock);
    if (state_->read_fault)
      if (auto error = state_->read_fault()) return tl::unexpected<Error>(std::move(*error));
    const std::string& from = state_->files[file_];
    if (offset >= from.size()) return size_t{0};
    const size_t bytes = std::min<size_t>(into.size(), from.size() - offset);
    std::memcpy(into.data(), from.data() + offset, bytes);
    return bytes;
  }
  using File::write;
  Result<> write(uint64_t offset, std::span<const Bytes> parts) override {
    const std::lock_guard lock(state_->lock);
    std::string data;
    for (const Bytes part : parts) data.append(part);
    const auto error = state_->failure(FileOperation::write);
    if (error) data.resize(data.size() / 2);
    put_bytes(state_->files[file_], offset, data);
    state_->record({Event::Kind::write, file_, offset, std::move(data), {}});
    if (error) return tl::unexpected<Error>(*error);
    return {};
  }
  Result<> sync() override {
    const std::lock_guard lock(state_->lock);
    if (const auto error = state_->failure(FileOperation::sync)) {
      state_->record({Event::Kind::sync_failed, file_, 0, {}, {}});
      return tl::unexpected<Error>(*error);
    }
    state_->record({Event::Kind::sync, file_, 0, {}, {}});
    return {};
  }
  Result<> allocate(uint64_t offset, uint64_t length) override {
    const std::lock_guard lock(state_->lock);
    if (const auto error = state_->failure(FileOperation::allocate)) return tl::unexpected<Error>(*error);
    if (state_->files[file_].size() < offset + length) resize(offset + length);
    return {};
  }
  Result<> truncate(uint64_t size) override {
    const std::lock_guard lock(state_->lock);
    if (const auto error = state_->failure(FileOperation::truncate)) return tl::unexpected<Error>(*error);
    resize(size);
    return {};
  }
  Result<uint64_t> size() override {
    const std::lock_guard lock(state_->lock);
    return state_->files[file_].size();
  }

 private:
  void resize(uint64_t size) {
    state_->files[file_].resize(size);
    state_->record({Event::Kind::resize, file_, size, {}, {}});
  }

  const std::shared_ptr<State> state_;
  const size_t file_;
};

FaultyFiles::FaultyFiles() : state_(std::make_shared<State>()) {}
FaultyFiles::~FaultyFiles() = default;

Result<std::unique_ptr<File>> FaultyFiles::open(const std::string& path, OpenMode mode) {
  const std::lock_guard lock(state_->lock);
  const auto at = state_->names.find(path);
  if (at != state_->names.end()) {
    if (mode == OpenMode::exclusive) return fail(Code::already_exists, path + " exists");
    return std::make_unique<Handle>(state_, at->second);
  }
  if (mode == OpenMode::existing) return fail(Code::not_found, "there is no " + path);
  if (auto error = state_->failure(FileOperation::name)) return tl::unexpected<Error>(std::move(*error));
  state_->files.emplace_back();
  state_->names[path] = state_->files.size() - 1;
  state_->record_names();
  return std::make_unique<Handle>(state_, state_->files.size() - 1);
}

Result<std::unique_ptr<FileLock>> FaultyFiles::lock(const std::string& path) {
  class Lock final : public FileLock {
   public:
    Lock(std::shared_ptr<State> state, std::string name) : state_(std::move(state)), name_(std::move(name)) {}
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
    ~Lock() override {
      const std::lock_guard guard(state_->lock);
      state_->locks.erase(name_);
    }

   private:
    const std::shared_ptr<State> state_;
    const std::string name_;
  };
  const std::lock_guard guard(state_->lock);
  if (!state_->locks.insert(path).second) return fail(Code::failed_precondition, path + " is in use");
  return std::make_unique<Lock>(state_, path);
}

Result<bool> FaultyFiles::exists(const std::string& path) {
  const std::lock_guard lock(state_->lock);
  return state_->names.count(path) != 0;
}

Result<> FaultyFiles::remove(const std::string& path) {
  const std::lock_guard lock(state_->lock);
  if (auto error = state_->failure(FileOperation::name)) return tl::unexpected<Error>(std::move(*error));
  if (state_->names.erase(path) == 0) return fail(Code::not_found, "there is no " + path);
  state_->record_names();
  return {};
}

Result<> FaultyFiles::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(state_->lock);
  if (auto error = state_->failure(FileOperation::name)) return tl::unexpected<Error>(std::move(*error));
  const auto at = state_->names.find(from);
  if (at == state_->names.end()) return fail(Code::not_found, "there is no " + from);
  const size_t file = at->second;
  state_->names.erase(at);
  state_->names[to] = file;
  state_->record_names();
  return {};
}

Result<> FaultyFiles::link(const std::string& from, const std::string& to) {
  const std::lock_guard lock(state_->lock);
  if (auto error = state_->failure(FileOperation::name)) return tl::unexpected<Error>(std::move(*error));
  const auto at = state_->names.find(from);
  if (at == state_->names.end()) return fail(Code::not_found, "there is no " + from);
  if (!state_->names.emplace(to, at->second).second) return fail(Code::already_exists, to + " exists");
  state_->record_names();
  return {};
}

Result<std::vector<std::string>> FaultyFiles::list(const std::string& directory) {
  const std::lock_guard lock(state_->lock);
  std::vector<std::string> out;
  for (const auto& [name, file] : state_->names)
    if (name.starts_with(directory + "/") && name.find('/', directory.size() + 1) == std::string::npos)
      out.push_back(name.substr(directory.size() + 1));
  return out;
}

Result<> FaultyFiles::make_directories(const std::string&) { return {}; }

Result<> FaultyFiles::sync_directory(const std::string&) {
  const std::lock_guard lock(state_->lock);
  if (auto error = state_->failure(FileOperation::sync)) return tl::unexpected<Error>(std::move(*error));
  state_->record({Event::Kind::sync_names, 0, 0, {}, {}});
  return {};
}

void FaultyFiles::set_fault(std::function<std::optional<Error>(FileOperation)> fault) {
  const std::lock_guard lock(state_->lock);
  state_->fault = std::move(fault);
}
void FaultyFiles::set_read_fault(std::function<std::optional<Error>()> fault) {
  const std::lock_guard lock(state_->lock);
  state_->read_fault = std::move(fault);
}
void FaultyFiles::mark(const std::string& name, uint64_t value) {
  const std::lock_guard lock(state_->lock);
  state_->record({Event::Kind::mark, 0, value, name, {}});
}
void FaultyFiles::stop_recording() {
  const std::lock_guard lock(state_->lock);
  state_->recording = false;
  state_->events.clear();
  state_->first_files = state_->files;
  state_->first_names = state_->names;
}
std::string FaultyFiles::content(const std::string& path) const {
  const std::lock_guard lock(state_->lock);
  return state_->files.at(state_->names.at(path));
}
void FaultyFiles::set_content(const std::string& path, std::string bytes) {
  const std::lock_guard lock(state_->lock);
  state_->files.at(state_->names.at(path)) = std::move(bytes);
}

// ---- power cuts ----------------------------------------------------------------------------------------------------

struct CrashWalk::State {
  std::vector<Event> events;
  size_t next = 0;
  std::vector<std::string> durable;
  std::vector<std::vector<Pending>> pending;
  std::vector<std::vector<Pending>> doubtful;  // a sync of these failed: perhaps there, never certain
  std::map<std::string, size_t> durable_names;
  std::map<std::string, size_t> names;
  std::map<std::string, uint64_t> marks;

  void grow(size_t file) {
    if (durable.size() > file) return;
    durable.resize(file + 1);
    pending.resize(file + 1);
    doubtful.resize(file + 1);
  }
};

CrashWalk::CrashWalk(const FaultyFiles& files) : state_(new State) {
  const std::lock_guard lock(files.state_->lock);
  state_->events = files.state_->events;
  state_->durable = files.state_->first_files;
  state_->pending.resize(state_->durable.size());
  state_->doubtful.resize(state_->durable.size());
  state_->names = state_->durable_names = files.state_->first_names;
}
CrashWalk::~CrashWalk() = default;

size_t CrashWalk::steps() const noexcept { return state_->events.size(); }

bool CrashWalk::step() {
  State& s = *state_;
  while (s.next < s.events.size()) {
    const Event& event = s.events[s.next++];
    switch (event.kind) {
      case Event::Kind::mark: s.marks[event.data] = event.offset; continue;
      case Event::Kind::write:
      case Event::Kind::resize:
        s.grow(event.file);
        s.pending[event.file].push_back({event.kind == Event::Kind::resize, event.offset, event.data});
        return true;
      case Event::Kind::sync:
        s.grow(event.file);
        for (const Pending& p : s.pending[event.file]) {
          if (p.resize)
            s.durable[event.file].resize(p.offset);
          else
            put_bytes(s.durable[event.file], p.offset, p.data);
        }
        s.pending[event.file].clear();
        return true;
      case Event::Kind::sync_failed:
        s.grow(event.file);
        for (Pending& p : s.pending[event.file]) s.doubtful[event.file].push_back(std::move(p));
        s.pending[event.file].clear();
        return true;
      case Event::Kind::names:
        s.names = event.names;
        for (const auto& [name, file] : s.names) s.grow(file);  // a new file may have nothing but its name
        return true;
      case Event::Kind::sync_names: s.durable_names = s.names; return true;
    }
  }
  return false;
}

uint64_t CrashWalk::mark(const std::string& name) const {
  // What was noted right after the operation belongs to the moment after it.
  for (size_t i = state_->next; i < state_->events.size() && state_->events[i].kind == Event::Kind::mark; ++i)
    if (state_->events[i].data == name) return state_->events[i].offset;
  const auto at = state_->marks.find(name);
  return at == state_->marks.end() ? 0 : at->second;
}

std::unique_ptr<FaultyFiles> CrashWalk::crash(Loss loss, std::mt19937_64& random) const {
  auto out = std::make_unique<FaultyFiles>();
  auto& to = *out->state_;
  const State& s = *state_;
  to.files = s.durable;
  for (size_t file = 0; file < s.durable.size(); ++file) {
    const auto apply = [&](const Pending& p, Loss how) {
      if (how == Loss::everything || (how == Loss::some && random() % 2 == 0)) return;
      if (p.resize) {
        if (how != Loss::torn || random() % 2 == 0) to.files[file].resize(p.offset);
        return;
      }
      if (how != Loss::torn) return put_bytes(to.files[file], p.offset, p.data);
      for (uint64_t at = p.offset; at < p.offset + p.data.size();) {
        const uint64_t end = std::min<uint64_t>(p.offset + p.data.size(), (at / kSector + 1) * kSector);
        if (random() % 2 == 0) put_bytes(to.files[file], at, std::string_view(p.data).substr(at - p.offset, end - at));
        at = end;
      }
    };
    for (const Pending& p : s.doubtful[file]) apply(p, loss == Loss::nothing ? Loss::some : loss);
    for (const Pending& p : s.pending[file]) apply(p, loss);
  }
  const bool new_names = loss == Loss::nothing || (loss != Loss::everything && random() % 2 == 0);
  to.names = new_names ? s.names : s.durable_names;
  to.first_files = to.files;
  to.first_names = to.names;
  return out;
}

}  // namespace orbit::testkit
