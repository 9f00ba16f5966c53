// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Files that are those below, but somebody is told before each sync, and may hold it up as a slow device does.
#pragma once

#include <functional>
#include <memory>
#include <orbit/files.hpp>
#include <utility>

namespace orbit::test {

class WatchedFiles final : public FileSystem {
 public:
  // `before_sync` is called on the thread that syncs, with no lock held; `files` must outlive this.
  WatchedFiles(FileSystem& files, std::function<void()> before_sync)
      : below_(files), before_sync_(std::move(before_sync)) {}

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    auto file = below_.open(path, mode);
    if (!file) return file;
    return std::make_unique<Watched>(std::move(*file), before_sync_);
  }
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override { return below_.lock(path); }
  Result<bool> exists(const std::string& path) override { return below_.exists(path); }
  Result<> remove(const std::string& path) override { return below_.remove(path); }
  Result<> rename(const std::string& from, const std::string& to) override { return below_.rename(from, to); }
  Result<> link(const std::string& from, const std::string& to) override { return below_.link(from, to); }
  Result<std::vector<std::string>> list(const std::string& directory) override { return below_.list(directory); }
  Result<> make_directories(const std::string& directory) override { return below_.make_directories(directory); }
  Result<> sync_directory(const std::string& directory) override { return below_.sync_directory(directory); }

 private:
  class Watched final : public File {
   public:
    Watched(std::unique_ptr<File> file, const std::function<void()>& before_sync)
        : below_(std::move(file)), before_sync_(before_sync) {}
    Result<size_t> read(uint64_t offset, std::span<char> into) override { return below_->read(offset, into); }
    using File::write;
    Result<> write(uint64_t offset, std::span<const Bytes> parts) override { return below_->write(offset, parts); }
    Result<> overwrite(uint64_t offset, Bytes data) override { return below_->overwrite(offset, data); }
    Result<> sync() override {
      before_sync_();
      return below_->sync();
    }
    Result<> allocate(uint64_t offset, uint64_t length) override { return below_->allocate(offset, length); }
    Result<> truncate(uint64_t size) override { return below_->truncate(size); }
    Result<uint64_t> size() override { return below_->size(); }
    void will_need(uint64_t offset, uint64_t length) override { below_->will_need(offset, length); }

   private:
    const std::unique_ptr<File> below_;
    const std::function<void()>& before_sync_;
  };

  FileSystem& below_;
  const std::function<void()> before_sync_;
};

}  // namespace orbit::test
