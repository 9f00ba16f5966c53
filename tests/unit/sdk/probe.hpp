// SPDX-License-Identifier: MIT OR BSD-3-Clause
#pragma once

#include <stdexcept>

#include "probe.orbit.hpp"

namespace probe {

// Negative numbers change the state first and fail then.
class ProbeActor final : public ProbeBase<ProbeActor> {
 public:
  orbit::Result<> on_activate() {
    if (key() == "refuses") return orbit::fail(orbit::Code::permission_denied, "this one never starts");
    return {};
  }
  Number add(const Number& number) {
    mutable_state().set_value(state().value() + number.value());
    if (number.value() < 0) throw std::runtime_error("negative");
    return current();
  }
  orbit::Result<Number> add_checked(Number&& number) {
    mutable_state().set_value(state().value() + number.value());
    if (number.value() < 0) return orbit::fail(orbit::Code::out_of_range, "negative");
    return current();
  }
  orbit::Task<Number> add_via(const Hop& hop) {
    mutable_state().set_value(state().value() + hop.value());
    Number number = co_await add_at(hop);
    mutable_state().set_note(hop.via());
    co_return number;
  }
  orbit::Task<orbit::Result<Number>> add_via_checked(Hop hop) {
    mutable_state().set_value(state().value() + hop.value());
    const Probe other(hop.via());
    Number number;
    number.set_value(hop.value());
    orbit::Result<Number> result = co_await other.add_checked(number).as_result();
    co_return result;
  }
  void tell(const Number& number) { mutable_state().set_value(state().value() + number.value()); }
  orbit::Task<> tell_later(const Hop& hop) {
    Number number = co_await add_at(hop);
    mutable_state().set_value(number.value());
  }
  State look(const Nothing&) const { return state(); }
  Wide echo(Wide wide) { return wide; }
  Nothing erase(const Nothing&) {
    erase_state();
    return {};
  }
  Nothing delete_(const Nothing&) { throw 7; }

 private:
  Number current() const {
    Number number;
    number.set_value(state().value());
    return number;
  }
  static orbit::Task<Number> add_at(const Hop& hop) {
    const Probe other(hop.via().empty() ? std::string_view("b") : hop.via());
    Number number = co_await other.add([&](Number& n) { n.set_value(hop.value()); });
    co_return number;
  }
};

class NumberedActor final : public NumberedBase<NumberedActor> {
 public:
  Number where(const Nothing&) const {
    Number number;
    number.set_value(key());
    return number;
  }
};

class BlobActor final : public BlobBase<BlobActor> {
 public:
  Number key_size(const Nothing&) const {
    Number number;
    number.set_value(static_cast<int64_t>(key().size()));
    return number;
  }
};

}  // namespace probe
