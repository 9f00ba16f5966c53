// SPDX-License-Identifier: MIT OR BSD-3-Clause
// `orbitctl new`: a project of one's own from a template. In a template's file names and contents @name@ stands for the
// name as given (snake_case), @Name@ for PascalCase, @NAME@ for upper case.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "commands.hpp"

namespace orbit::ctl {

struct ProjectName {
  std::string snake;   // "bank_account"
  std::string pascal;  // "BankAccount"
  std::string upper;   // "BANK_ACCOUNT"
};

// Throws Failure (usage) unless it is lower-case letters, digits and single underscores, beginning with a letter.
ProjectName project_name(const std::string& name);

std::string fill_in(std::string text, const ProjectName& name);

// The folder with the templates: ../share/orbit/template of the running program, the same in a build tree and
// installed.
std::filesystem::path template_root();

// Copies the template to `into`, which must not exist; either all of it is there afterwards or nothing. Returns the
// files made, relative to `into`, sorted.
std::vector<std::filesystem::path> copy_template(const std::filesystem::path& from, const std::filesystem::path& into,
                                                 const ProjectName& name);

ExitCode new_actor(const Invocation& call);
ExitCode new_plugin(const Invocation& call);

}  // namespace orbit::ctl
