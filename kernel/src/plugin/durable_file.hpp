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

// An exclusive claim on a folder, held until the process ends; refused while another process has it.
Result<> claim_folder(const std::string& folder);

}  // namespace orbit::kernel
