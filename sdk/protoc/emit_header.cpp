// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <map>
#include <string>

#include "emit.hpp"
#include "emit_state.hpp"
#include "names.hpp"

namespace orbit::protoc {
namespace {

namespace pb = google::protobuf;

std::string events_of(const Service& service) {
  std::string out;
  for (const pb::Descriptor* message : service.subscribes) out += (out.empty() ? "" : ", ") + cpp_class(*message);
  return out;
}

Variables variables_of(const Service& service) {
  return {{"Service", service.name},
          {"full_name", service.full_name},
          {"State", service.state != nullptr ? cpp_class(*service.state) : "orbit::NoState"},
          {"state_name", service.state != nullptr ? "\"" + service.state->full_name() + "\"" : "nullptr"},
          {"stateless", std::to_string(service.stateless)},
          {"overload", service.overload},
          {"durability", service.durability},
          {"key_kind", service.key_kind},
          {"flush_delay_ms", std::to_string(service.flush_delay_ms)},
          {"idle_timeout_ms", std::to_string(service.idle_timeout_ms)},
          {"mailbox_max", std::to_string(service.mailbox_max)},
          {"timers", service.timers ? "true" : "false"},
          {"reminders", service.reminders ? "true" : "false"},
          {"publishes", service.publishes ? "true" : "false"},
          {"events", events_of(service)},
          {"state_version", std::to_string(service.state_version)},
          {"expires", service.expires ? "true" : "false"},
          {"method_count", std::to_string(service.methods.size())}};
}

Variables variables_of(const Service& service, size_t index) {
  const Method& method = service.methods[index];
  const std::string input = cpp_class(*method.input);
  const std::string output = method.one_way ? "void" : cpp_class(*method.output);
  std::string flags = method.read_only ? "ORBIT_METHOD_READ_ONLY" : method.one_way ? "ORBIT_METHOD_ONE_WAY" : "0";
  if (method.reentrant) flags += " | ORBIT_METHOD_REENTRANT";
  return {{"Method", method.proto_name},
          {"id", "orbit_method_id(\"" + method.proto_name + "\", " + std::to_string(method.proto_name.size()) + ")"},
          {"method", method.cpp_name},
          {"rpc", service.full_name + "." + method.proto_name},
          {"Request", input},
          {"Reply", output},
          {"input_name", method.input->full_name()},
          {"output_name", method.output->full_name()},
          {"flags", flags},
          {"const", method.read_only ? "const " : ""},
          {"const_after", method.read_only ? " const" : ""},
          {"because_const", method.read_only ? " (const, because it is read_only)" : ""}};
}

void emit_traits(const Service& service, pb::io::Printer& out) {
  out.Print(variables_of(service),
            "// What $full_name$ is.\n"
            "struct $Service$Service {\n"
            "  using State = $State$;\n"
            "  static constexpr orbit::KeyKind kKeyKind = orbit::KeyKind::$key_kind$;\n"
            "  static constexpr const char* kName = \"$full_name$\";\n"
            "  static constexpr const char* kStateType = $state_name$;\n"
            "  static constexpr orbit_durability kDurability = $durability$;\n"
            "  static constexpr uint64_t kFlushDelayMs = $flush_delay_ms$;\n"
            "  static constexpr uint64_t kIdleTimeoutMs = $idle_timeout_ms$;\n"
            "  static constexpr uint32_t kMailboxMax = $mailbox_max$;\n"
            "  static constexpr uint32_t kStatelessCopies = $stateless$;\n"
            "  static constexpr orbit_overload kOverload = $overload$;\n"
            "  static constexpr bool kTimers = $timers$;\n"
            "  static constexpr bool kReminders = $reminders$;\n"
            "  static constexpr bool kPublishes = $publishes$;\n"
            "  using Events = orbit::detail::EventTypes<$events$>;\n"
            "  static constexpr uint32_t kStateVersion = $state_version$;\n"
            "  static constexpr bool kExpires = $expires$;\n");
  emit_state_traits(service, out);
  out.Print(variables_of(service),
            "  static constexpr uint32_t kMethodCount = $method_count$;\n"
            "  static constexpr orbit_method kMethods[kMethodCount] = {\n");
  for (size_t i = 0; i < service.methods.size(); ++i) {
    out.Print(variables_of(service, i),
              "      {sizeof(orbit_method), $flags$, \"$Method$\", \"$input_name$\", \"$output_name$\",\n"
              "       $id$, 0},\n");
  }
  out.Print(
      "  };\n"
      "  static orbit_bytes descriptor_set() noexcept;\n"
      "\n"
      "  // Runs one turn.\n"
      "  template <class Impl>\n"
      "  static int dispatch(Impl& impl, orbit_envelope* envelope) noexcept {\n"
      "    switch (envelope->method) {\n");
  for (size_t i = 0; i < service.methods.size(); ++i) {
    out.Print(variables_of(service, i),
              "      case $id$: return run_$method$(impl, envelope);\n");
  }
  out.Print(
      "      default: return orbit::detail::ActorGlue<Impl>::run_unknown(impl, envelope);\n"
      "    }\n"
      "  }\n"
      "\n"
      " private:\n");
  for (size_t i = 0; i < service.methods.size(); ++i) {
    out.Print(
        variables_of(service, i),
        "  template <class Impl>\n"
        "  [[gnu::always_inline]] static inline int run_$method$(Impl& impl, orbit_envelope* envelope) noexcept {\n"
        "    if constexpr (!requires($const$Impl& actor, $Request$&& request) {\n"
        "                    actor.$method$(static_cast<$Request$&&>(request));\n"
        "                  }) {\n"
        "      static_assert(orbit::detail::kNever<Impl>,\n"
        "                    \"rpc $rpc$: the actor class needs a public method $method$(const $Request$&)$const_after$$because_const$\");\n"
        "      return ORBIT_TURN_DONE;\n"
        "    } else {\n"
        "      using Return = decltype(std::declval<$const$Impl&>().$method$(std::declval<$Request$&&>()));\n"
        "      static_assert(orbit::detail::ReturnsReply<Return, $Reply$>,\n"
        "                    \"rpc $rpc$: $method$ must return $Reply$, or orbit::Result, orbit::Task or \"\n"
        "                    \"orbit::Task<orbit::Result<>> of it\");\n"
        "      if constexpr (orbit::detail::ReturnsReply<Return, $Reply$>) {\n"
        "        return orbit::detail::ActorGlue<Impl>::template run<$Request$, $Reply$>(\n"
        "            impl, envelope, []($const$Impl& actor, $Request$&& request) -> Return {\n"
        "              return actor.$method$(static_cast<$Request$&&>(request));\n"
        "            });\n"
        "      } else {\n"
        "        return ORBIT_TURN_DONE;\n"
        "      }\n"
        "    }\n"
        "  }\n");
  }
  out.Print("};\n\n");
}

void emit_proxy(const Service& service, pb::io::Printer& out) {
  out.Print(variables_of(service),
            "// A proxy: one $full_name$, to be called.\n"
            "class $Service$ final : public orbit::Proxy<$Service$Service> {\n"
            " public:\n"
            "  using Proxy::Proxy;\n");
  emit_queries(service, out);
  for (size_t i = 0; i < service.methods.size(); ++i) {
    const Variables variables = variables_of(service, i);
    if (service.methods[i].one_way) {
      out.Print(variables,
                "\n"
                "  // One-way: returns at once; nobody learns whether it was done.\n"
                "  void $method$(const $Request$& request) const {\n"
                "    post($id$, [&](orbit_envelope* e) { orbit::detail::emplace_payload<$Request$>(e, request); });\n"
                "  }\n"
                "  void $method$($Request$&& request) const {\n"
                "    post($id$, [&](orbit_envelope* e) {\n"
                "      orbit::detail::emplace_payload<$Request$>(e, static_cast<$Request$&&>(request));\n"
                "    });\n"
                "  }\n"
                "  template <std::invocable<$Request$&> Fill>\n"
                "  void $method$(Fill&& fill) const {\n"
                "    post($id$, [&](orbit_envelope* e) { fill(*orbit::detail::emplace_payload<$Request$>(e)); });\n"
                "  }\n");
    } else {
      out.Print(variables,
                "\n"
                "  orbit::Call<$Reply$> $method$(const $Request$& request) const {\n"
                "    return call<$Reply$>(\n"
                "        $id$, [&](orbit_envelope* e) { orbit::detail::emplace_payload<$Request$>(e, request); });\n"
                "  }\n"
                "  orbit::Call<$Reply$> $method$($Request$&& request) const {\n"
                "    return call<$Reply$>($id$, [&](orbit_envelope* e) {\n"
                "      orbit::detail::emplace_payload<$Request$>(e, static_cast<$Request$&&>(request));\n"
                "    });\n"
                "  }\n"
                "  template <std::invocable<$Request$&> Fill>\n"
                "  orbit::Call<$Reply$> $method$(Fill&& fill) const {\n"
                "    return call<$Reply$>(\n"
                "        $id$, [&](orbit_envelope* e) { fill(*orbit::detail::emplace_payload<$Request$>(e)); });\n"
                "  }\n");
    }
  }
  out.Print("};\n\n");
}

void emit_base(const Service& service, pb::io::Printer& out) {
  out.Print(variables_of(service),
            "// Derive from it to implement $full_name$: class Mine final : public $Service$Base<Mine>, with these methods:\n");
  for (size_t i = 0; i < service.methods.size(); ++i) {
    out.Print(variables_of(service, i), "//   $Reply$ $method$(const $Request$& request)$const_after$;\n");
  }
  out.Print(variables_of(service),
            "// Each may return orbit::Result, orbit::Task or orbit::Task<orbit::Result<>> of that type instead.\n"
            "template <class Derived>\n"
            "class $Service$Base : public orbit::Actor<$Service$Service> {\n"
            " public:\n"
            "  using Service = $Service$Service;\n"
            "\n"
            " protected:\n"
            "  // A proxy of this very actor.\n"
            "  $Service$ self() const { return $Service$(this->key_object()); }\n");
  emit_state_accessors(service, out);
  out.Print("};\n\n");
}

}  // namespace

void emit_header(const pb::FileDescriptor& file, const std::vector<Service>& services, pb::io::Printer& out) {
  out.Print(
      "// Generated by protoc-gen-orbit from $file$; do not edit.\n"
      "#pragma once\n"
      "\n"
      "#include <orbit/actor.hpp>\n"
      "\n"
      "#include \"$stem$.pb.h\"\n"
      "\n",
      "file", file.name(), "stem", without_proto_ending(file.name()));
  if (services.empty()) return;
  std::string package;
  for (const std::string& part : split(file.package())) package += (package.empty() ? "" : "::") + part;
  if (!package.empty()) out.Print("namespace $package$ {\n\n", "package", package);
  for (const Service& service : services) {
    emit_traits(service, out);
    emit_proxy(service, out);
    emit_base(service, out);
  }
  if (!package.empty()) out.Print("}  // namespace $package$\n", "package", package);
}

}  // namespace orbit::protoc
