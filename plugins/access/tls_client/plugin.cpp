// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Callers with client certificates, which a listener's TLS has verified.
#include <algorithm>
#include <map>
#include <memory>

#include "names.hpp"
#include "orbit/authenticator.hpp"

namespace orbit::certificate {
namespace {

constexpr const char* kNameFrom[] = {"subject_cn", "subject", "san_dns", "san_email", "san_uri", nullptr};

std::string trimmed(std::string text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  text.erase(text.begin(), std::find_if_not(text.begin(), text.end(), is_space));
  text.erase(std::find_if_not(text.rbegin(), text.rend(), is_space).base(), text.end());
  return text;
}

class CertificatePlugin final : public AuthenticatorPlugin<CertificatePlugin> {
 public:
  static constexpr const char* kMechanisms[] = {ORBIT_MECHANISM_CERTIFICATE, nullptr};
  static constexpr Option kOptions[] = {
      option_string("name_from", "\"subject_cn\"", "Which name of the certificate is the caller's.", kNameFrom),
      option_strings("principals", "[]",
                     "Callers and their roles, \"NAME -> ROLE, ROLE\", with the name as the certificate has it."),
      option_strings("roles", "[]", "Roles that every caller with a good certificate has beside those."),
      option_boolean("listed_only", "true", "Whether a caller that principals does not list is refused."),
  };
  static constexpr PluginInfo kInfo{.id = "orbit.access.tls_client",
                                    .version = "0.1.0",
                                    .doc = "Callers with TLS client certificates.",
                                    .provides = {ORBIT_AUTHENTICATOR_V1},
                                    .options = kOptions};

  static Result<std::unique_ptr<CertificatePlugin>> create(Host, const Config& config) {
    auto out = std::make_unique<CertificatePlugin>();
    const std::string from = config.string("name_from");
    const auto at = std::find_if(std::begin(kNameFrom), std::end(kNameFrom) - 1, [&](const char* each) { return from == each; });
    out->from_ = static_cast<NameFrom>(at - std::begin(kNameFrom));
    out->roles_ = config.strings("roles");
    out->listed_only_ = config.boolean("listed_only");
    for (const std::string& line : config.strings("principals"))
      if (auto added = out->add(line); !added) return tl::unexpected<Error>(added.error());
    if (out->listed_only_ && out->listed_.empty())
      return fail(Code::invalid_argument, "listed_only is true and principals lists nobody, so nobody could come in");
    return out;
  }

  Result<Identity> authenticate(const Credentials& credentials) override {
    auto name = name_of(credentials.secret, from_);
    if (!name) return tl::unexpected<Error>(name.error());
    const auto listed = listed_.find(*name);
    if (listed == listed_.end() && listed_only_) return fail(Code::not_found, "principals does not list '" + *name + "'");
    return identity(*name, listed != listed_.end() ? listed->second : std::vector<std::string>());
  }
  void users(const std::function<bool(const Identity&)>& visit) override {
    for (const auto& [name, roles] : listed_)
      if (!visit(identity(name, roles))) return;
  }

 private:
  Identity identity(std::string name, const std::vector<std::string>& own) const {
    Identity out{std::move(name), roles_, 0};
    out.roles.insert(out.roles.end(), own.begin(), own.end());
    return out;
  }
  Result<> add(const std::string& line) {
    constexpr std::string_view kArrow = "->";
    const size_t arrow = line.rfind(kArrow);
    const std::string name = arrow == std::string::npos ? std::string() : trimmed(line.substr(0, arrow));
    if (name.empty()) return fail(Code::invalid_argument, "principals has '" + line + "', expected \"NAME -> ROLE, ROLE\"");
    std::vector<std::string> roles;
    for (std::string rest = line.substr(arrow + kArrow.size()); !trimmed(rest).empty();) {
      const size_t comma = std::min(rest.find(','), rest.size());
      const std::string role = trimmed(rest.substr(0, comma));
      if (role.empty()) return fail(Code::invalid_argument, "principals has '" + line + "', where a role has no name");
      roles.push_back(role);
      rest.erase(0, std::min(comma + 1, rest.size()));
    }
    if (!listed_.emplace(name, std::move(roles)).second)
      return fail(Code::invalid_argument, "principals lists '" + name + "' twice");
    return {};
  }

  NameFrom from_ = NameFrom::subject_cn;
  std::map<std::string, std::vector<std::string>> listed_;
  std::vector<std::string> roles_;
  bool listed_only_ = true;
};

}  // namespace
}  // namespace orbit::certificate

ORBIT_PLUGIN(orbit::certificate::CertificatePlugin)
