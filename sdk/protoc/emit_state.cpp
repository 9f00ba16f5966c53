// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "emit_state.hpp"

#include <google/protobuf/compiler/cpp/names.h>

#include "names.hpp"

namespace orbit::protoc {
namespace {

namespace pb = google::protobuf;

std::string yes(bool value) { return value ? "true" : "false"; }

void emit_named_traits(const Service& service, pb::io::Printer& out) {
  std::string types;
  bool lazy = false;
  for (const NamedState& state : service.states) {
    types += (types.empty() ? "" : ", ") + cpp_class(*state.message);
    lazy = lazy || state.lazy;
  }
  out.Print(
      "  using NamedStates = std::tuple<$types$>;\n"
      "  static constexpr bool kHasLazy = $lazy$;\n",
      "types", types, "lazy", yes(lazy));
  if (service.states.empty()) return;
  out.Print("  static constexpr orbit::detail::NamedStateInfo kNamed[] = {\n");
  for (const NamedState& state : service.states)
    out.Print("      {\"$name$\", \"$type$\", $lazy$},\n", "name", state.name, "type", state.message->full_name(),
              "lazy", yes(state.lazy));
  out.Print("  };\n");
  for (size_t i = 0; i < service.states.size(); ++i) {
    out.Print(
        "  template <class Impl>\n"
        "  static orbit::Result<> migrate_named(std::integral_constant<size_t, $i$>, uint32_t from, orbit::Bytes old,\n"
        "                                       $Type$* to) {\n"
        "    if constexpr (requires { Impl::migrate_$name$(from, old); })\n"
        "      return orbit::detail::StoredState<Impl>::template take<$Type$>(Impl::migrate_$name$(from, old), to);\n"
        "    else\n"
        "      return orbit::detail::StoredState<Impl>::parse(old, \"$type$\", to);\n"
        "  }\n",
        "i", std::to_string(i), "name", service.states[i].name, "Type", cpp_class(*service.states[i].message), "type",
        service.states[i].message->full_name());
  }
}

// How the value is handed to IndexEntries::add.
std::string as_value(const Index& index, const std::string& value) {
  return index.value == "std::string_view" ? value : "static_cast<" + index.value + ">(" + value + ")";
}

void emit_index_traits(const Service& service, pb::io::Printer& out) {
  bool unique = false;
  for (const Index& index : service.indexes) unique = unique || index.unique;
  out.Print(
      "  static constexpr bool kHasIndexes = $any$;\n"
      "  static constexpr bool kHasUnique = $unique$;\n"
      "  static constexpr uint32_t kIndexCount = $count$;\n",
      "any", yes(!service.indexes.empty()), "unique", yes(unique), "count", std::to_string(service.indexes.size()));
  if (service.indexes.empty()) {
    out.Print("  static constexpr const orbit_index* kIndexes = nullptr;\n");
    return;
  }
  out.Print("  static constexpr orbit_index kIndexes[kIndexCount] = {\n");
  for (const Index& index : service.indexes)
    out.Print("      {sizeof(orbit_index), $flags$, \"$name$\", $number$, ORBIT_INDEX_$kind$},\n", "flags",
              index.unique ? "ORBIT_INDEX_UNIQUE" : "0", "name", index.name, "number",
              std::to_string(index.field->number()), "kind", index.kind);
  out.Print(
      "  };\n"
      "  static void index_entries(const State& state, orbit::detail::IndexEntries& out) {\n");
  for (const Index& index : service.indexes) {
    Variables variables = {{"number", std::to_string(index.field->number())},
                           {"field", pb::compiler::cpp::FieldName(index.field)}};
    variables["value"] = as_value(index, "state." + variables["field"] + "()");
    variables["element"] = as_value(index, "value");
    if (index.field->is_repeated())
      out.Print(variables, "    for (const auto& value : state.$field$()) out.add($number$, $element$);\n");
    else if (index.field->has_presence())
      out.Print(variables, "    if (state.has_$field$()) out.add($number$, $value$);\n");
    else if (index.unique)
      out.Print(variables, "    if (!orbit::detail::is_unset(state.$field$())) out.add($number$, $value$);\n");
    else
      out.Print(variables, "    out.add($number$, $value$);\n");
  }
  out.Print("  }\n");
}

void emit_journal_traits(const Service& service, pb::io::Printer& out) {
  out.Print("  static constexpr bool kJournaled = $journaled$;\n", "journaled", yes(service.event != nullptr));
  if (service.event == nullptr) return;
  out.Print(
      "  using Event = $Event$;\n"
      "  static constexpr const char* kEventType = \"$event$\";\n"
      "  static constexpr uint64_t kSnapshotEvery = $every$;\n"
      "  static constexpr uint64_t kJournalKeep = $keep$u;\n"
      "  // Gives the event to the actor class.\n"
      "  template <class Impl>\n"
      "  static void apply_event(State& state, const Event& event) {\n",
      "Event", cpp_class(*service.event), "event", service.event->full_name(), "every",
      std::to_string(service.snapshot_every), "keep", std::to_string(service.journal_keep));
  for (const auto* field : service.events) {
    out.Print(
        "    static_assert(requires(State& s, const $Kind$& e) { Impl::apply(s, e); },\n"
        "                  \"$name$: the actor class needs a public static void apply($State$&, const $Kind$&)\");\n",
        "Kind", cpp_class(*field->message_type()), "name", service.full_name, "State", cpp_class(*service.state));
  }
  out.Print("    switch (event.$oneof$_case()) {\n", "oneof", service.events[0]->containing_oneof()->name());
  for (const auto* field : service.events)
    out.Print("      case $number$: return Impl::apply(state, event.$field$());\n", "number",
              std::to_string(field->number()), "field", pb::compiler::cpp::FieldName(field));
  out.Print(
      "      default:\n"
      "        throw orbit::CallError(orbit::Code::data_loss,\n"
      "                               \"$name$: a stored event is of a kind that this version of the module does not "
      "know\");\n"
      "    }\n"
      "  }\n",
      "name", service.full_name);
}

}  // namespace

void emit_state_traits(const Service& service, pb::io::Printer& out) {
  emit_named_traits(service, out);
  emit_index_traits(service, out);
  emit_journal_traits(service, out);
}

void emit_queries(const Service& service, pb::io::Printer& out) {
  for (const Index& index : service.indexes) {
    out.Print(
        "\n"
        "  // Actors by $field$; see orbit/index.hpp.\n"
        "  static orbit::IndexQuery<$Service$, $Value$> by_$name$() {\n"
        "    return {orbit::detail::type_handle<$Service$Service>(), $number$};\n"
        "  }\n"
        "  static orbit::IndexQuery<$Service$, $Value$> by_$name$($Value$ value) { return by_$name$().equals(value); "
        "}\n",
        "field", index.field->full_name(), "Service", service.name, "Value", index.value, "name", index.name, "number",
        std::to_string(index.field->number()));
  }
}

void emit_state_accessors(const Service& service, pb::io::Printer& out) {
  for (size_t i = 0; i < service.states.size(); ++i) {
    const NamedState& state = service.states[i];
    const Variables variables = {{"name", state.name}, {"i", std::to_string(i)}, {"Type", cpp_class(*state.message)}};
    out.Print(variables,
              "\n"
              "  const $Type$& $name$() const { return this->template named<$i$>(); }\n"
              "  $Type$& mutable_$name$() { return this->template mutable_named<$i$>(); }\n"
              "  bool has_$name$() const { return this->template has_named<$i$>(); }\n"
              "  void erase_$name$() { this->template erase_named<$i$>(); }\n");
    if (state.lazy)
      out.Print(variables,
                "  // Reads it unless it is in memory already; to be awaited before it is used.\n"
                "  orbit::Task<> load_$name$() const { return this->template load_named<Derived, $i$>(); }\n");
  }
  if (service.event == nullptr) return;
  for (const auto* field : service.events) {
    out.Print(
        "\n"
        "  void record($Kind$ event) {\n"
        "    $Event$ recorded;\n"
        "    *recorded.mutable_$field$() = std::move(event);\n"
        "    this->template record_event<Derived>(recorded);\n"
        "  }\n",
        "Kind", cpp_class(*field->message_type()), "Event", cpp_class(*service.event), "field",
        pb::compiler::cpp::FieldName(field));
  }
  out.Print(
      "\n"
      "  // Stored events with numbers from `from` on, at most `limit`; the running turn's are not among them.\n"
      "  orbit::Task<orbit::JournalPage<$Event$>> read_journal(uint64_t from, size_t limit) const {\n"
      "    return this->template read_events<Derived, $Event$>(from, limit);\n"
      "  }\n",
      "Event", cpp_class(*service.event));
}

}  // namespace orbit::protoc
