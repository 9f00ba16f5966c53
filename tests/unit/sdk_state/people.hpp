// SPDX-License-Identifier: MIT OR BSD-3-Clause
#pragma once

#include "people.orbit.hpp"

namespace people {

class PersonActor final : public PersonBase<PersonActor> {
 public:
  orbit::Task<orbit::Result<Nothing>> set(const Change& change) {
    mutable_state() = change.state();
    if (change.save()) co_await save();
    if (change.then_error()) co_return orbit::fail(orbit::Code::aborted, "asked to fail");
    co_return Nothing();
  }
  PersonState get(const Nothing&) const { return state(); }
  Nothing erase(const Nothing&) {
    erase_state();
    return {};
  }
  orbit::Task<Keys> neighbours(const Nothing&) {
    const orbit::Page<Person> page = co_await Person::by_town(state().town());
    Keys keys;
    for (const Person& person : page.actors) {
      if (person.key() == key()) continue;
      const PersonState its = co_await person.get(Nothing());
      keys.add_key(person.key() + " in " + its.town());
    }
    co_return keys;
  }
};

class GuestActor final : public GuestBase<GuestActor> {
 public:
  Nothing set(const Change& change) {
    mutable_state() = change.state();
    return {};
  }
  Nothing erase(const Nothing&) {
    erase_state();
    return {};
  }
};

}  // namespace people
