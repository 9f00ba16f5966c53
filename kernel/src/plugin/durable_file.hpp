// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Files that are whole or not there, also after a power cut.
#pragma once

#include <string>
#include <string_view>

#include "orbit/result.hpp"

namespace orbit::kernel {

// Replaces `path`: writes beside it, syncs, renames, syncs the folder.
Result<> write_file_durably(const std::string& path, std::string_view content);
// The same with the content of another file.
Result<> copy_file_durably(const std::string& from, const std::string& path);

// An exclusive claim on a folder, held until this object or the process ends.
class FolderClaim {
 public:
  FolderClaim() = default;
  ~FolderClaim();
  FolderClaim(const FolderClaim&) = delete;
  FolderClaim& operator=(const FolderClaim&) = delete;
  // Makes the folder when it is not there. Refused while somebody else has it.
  Result<> take(const std::string& folder);

 private:
  int fd_ = -1;
};

}  // namespace orbit::kernel
