// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Callers with passwords and tokens, from a file that is read again when it changes.
#include <atomic>
#include <memory>
#include <mutex>

#include "orbit/authenticator.hpp"
#include "orbit/watched_file.hpp"
#include "users.hpp"

namespace orbit::users {
namespace {

class UsersPlugin final : public AuthenticatorPlugin<UsersPlugin> {
 public:
  static constexpr const char* kMechanisms[] = {ORBIT_MECHANISM_PASSWORD, ORBIT_MECHANISM_BEARER, nullptr};
  static constexpr Option kOptions[] = {
      option_string("file", nullptr,
                    "File of lines NAME:SECRET:ROLE,ROLE; read again when it changes. `orbitd --hash-password` and "
                    "`orbitd --hash-token` make secrets."),
  };
  static constexpr PluginInfo kInfo{.id = "orbit.access.user_file",
                                    .version = "0.1.0",
                                    .doc = "Callers with passwords and tokens, from a file.",
                                    .provides = {ORBIT_AUTHENTICATOR_V1},
                                    .options = kOptions};

  static Result<std::unique_ptr<UsersPlugin>> create(Host host, const Config& config) {
    auto out = std::make_unique<UsersPlugin>(host, config.string("file"));
    if (auto read = out->read(); !read) return tl::unexpected<Error>(read.error());
    return out;
  }
  UsersPlugin(Host host, std::string file) : host_(host), file_(std::move(file), kFileBytesMax) {}

  Result<Identity> authenticate(const Credentials& credentials) override {
    const auto users = current();
    const User* const user = std::string_view(credentials.mechanism) == ORBIT_MECHANISM_BEARER
                                 ? users->by_token(credentials.secret)
                                 : users->by_password(credentials.name, credentials.secret);
    // Another authenticator may know the name or the token.
    if (user == nullptr) return fail(Code::not_found, "unknown or wrong");
    return Identity{user->name, user->roles, 0, Users::credential(*user)};
  }
  uint64_t generation() const noexcept override { return generation_.load(std::memory_order_relaxed); }
  bool holds(const Identity& who) const override {
    std::shared_ptr<const Users> users;
    {
      const std::lock_guard lock(mutex_);
      users = users_;
    }
    return users->holds(who.name, who.credential, who.roles);
  }
  Result<> reload(bool force) override {
    const std::lock_guard lock(mutex_);
    return force || file_.changed() ? read_again() : Result<>();
  }
  void users(const std::function<bool(const Identity&)>& visit) override {
    const auto users = current();
    for (const User& user : users->all())
      if (!visit({user.name, user.roles, 0, {}})) return;
  }

 private:
  Result<> read() {
    const auto text = file_.read();
    if (!text) return tl::unexpected<Error>(text.error());
    auto parsed = Users::parse(*text);
    if (!parsed) return fail(parsed.error().code, "'" + file_.path() + "': " + parsed.error().message);
    users_ = std::make_shared<const Users>(std::move(*parsed));
    generation_.fetch_add(1, std::memory_order_relaxed);
    return {};
  }

  std::shared_ptr<const Users> current() {
    const std::lock_guard lock(mutex_);
    if (file_.changed()) static_cast<void>(read_again());
    return users_;
  }
  Result<> read_again() {
    auto again = read();
    if (again)
      host_.log(ORBIT_LOG_INFO, "the users were read again", {{"file", to_c(Bytes(file_.path()))}});
    else
      host_.warn("the users were not read again, the old ones count: " + again.error().message);
    return again;
  }

  Host host_;
  mutable std::mutex mutex_;  // guards the next two
  WatchedFile file_;
  std::shared_ptr<const Users> users_;
  std::atomic<uint64_t> generation_{0};
};

}  // namespace
}  // namespace orbit::users

ORBIT_PLUGIN(orbit::users::UsersPlugin)
