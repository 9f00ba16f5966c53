// Says who calls. As it stands it knows one caller, by a token; where you find yours out (a directory, a token service, a
// database), begin in authenticate.
#include <orbit/authenticator.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

constexpr size_t kTokenBytesMin = 16;

// Takes as long for a token that is wrong at its end as for one that is wrong at its beginning. `known` is not empty.
bool same(std::string_view given, std::string_view known) {
  unsigned difference = given.size() == known.size() ? 0 : 1;
  for (size_t i = 0; i < given.size(); ++i)
    difference |= static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(known[i % known.size()]);
  return difference == 0;
}

class @Name@Access final : public orbit::AuthenticatorPlugin<@Name@Access> {
 public:
  // What a wire brings: ORBIT_MECHANISM_PASSWORD, _BEARER, _CERTIFICATE.
  static constexpr const char* kMechanisms[] = {ORBIT_MECHANISM_BEARER, nullptr};
  static constexpr orbit::Option kOptions[] = {
      orbit::option_secret("token", nullptr, "What the caller shows; at least 16 bytes. ${VARIABLE} takes it from the environment."),
      orbit::option_string("name", nullptr, "What the caller is called, in rules, in logs and to actors."),
      orbit::option_strings("roles", "[]", "What rules know the caller as."),
  };
  static constexpr orbit::PluginInfo kInfo{
      .id = "access.@name@",
      .version = "0.1.0",
      .doc = "Knows one caller, by a token.",
      .provides = {ORBIT_AUTHENTICATOR_V1},
      .options = kOptions,
  };

  static orbit::Result<std::unique_ptr<@Name@Access>> create(orbit::Host, const orbit::Config& config) {
    auto plugin = std::make_unique<@Name@Access>();
    plugin->token_ = config.string("token");
    plugin->caller_.name = config.string("name");
    plugin->caller_.roles = config.strings("roles");
    if (plugin->token_.size() < kTokenBytesMin)
      return orbit::fail(orbit::Code::invalid_argument, "'token': found " + std::to_string(plugin->token_.size()) +
                                                            " bytes, expected at least " + std::to_string(kTokenBytesMin));
    return plugin;
  }

  // On a thread of the I/O pool, several at once; may take its time. NOT_FOUND lets the next authenticator look.
  orbit::Result<orbit::Identity> authenticate(const orbit::Credentials& credentials) override {
    if (!same(credentials.secret, token_)) return orbit::fail(orbit::Code::not_found, "unknown or wrong");
    return caller_;
  }

  // For listings (orbitctl access users).
  void users(const std::function<bool(const orbit::Identity&)>& visit) override { visit(caller_); }

 private:
  std::string token_;
  orbit::Identity caller_;
};

}  // namespace

ORBIT_PLUGIN(@Name@Access)
