#include <orbit/actor_module.hpp>

#include "@name@.orbit.hpp"

namespace @name@ {

class @Name@Actor final : public @Name@Base<@Name@Actor> {
 public:
  orbit::Result<GreetReply> greet(const GreetRequest& request) {
    if (request.name().empty()) return orbit::fail(orbit::Code::invalid_argument, "whom shall I greet?");
    mutable_state().set_greetings(state().greetings() + 1);
    GreetReply reply;
    reply.set_text("Hello " + request.name() + ", I am " + key() + ". Greeting number " +
                   std::to_string(state().greetings()) + ".");
    return reply;
  }

  CountReply count(const CountRequest&) const {
    CountReply reply;
    reply.set_greetings(state().greetings());
    return reply;
  }
};

}  // namespace @name@

ORBIT_ACTOR_MODULE("@name@", "0.1.0", @name@::@Name@Actor)
