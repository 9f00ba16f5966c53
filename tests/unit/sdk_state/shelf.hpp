// SPDX-License-Identifier: MIT OR BSD-3-Clause
#pragma once

#include <stdexcept>

#include "shelf.orbit.hpp"

namespace shelf {

class BookActor final : public BookBase<BookActor> {
 public:
  orbit::Task<orbit::Result<Seen>> put(const Change& change) {
    if (!change.unloaded()) co_await load_pages();
    mutable_state().set_copies(state().copies() + change.copies());
    if (!change.title().empty()) mutable_cover().set_title(change.title());
    if (!change.page().empty()) mutable_pages().add_text(change.page());
    if (change.save()) {
      co_await save();
      mutable_state().set_copies(state().copies() + 1000);
      mutable_cover().set_title("after save");
    }
    if (change.wait()) {
      const Note other("other");
      Number number = co_await other.look(Nothing());
      static_cast<void>(number);
    }
    if (change.then_throw()) throw std::runtime_error("asked to throw");
    if (change.then_error()) co_return orbit::fail(orbit::Code::out_of_range, "asked to fail");
    co_return seen();
  }
  orbit::Task<Seen> look(const Nothing&) const {
    co_await load_pages();
    co_return seen();
  }
  Nothing expire_in(const Number& delay) {
    expire_in_ms(static_cast<uint64_t>(delay.value()));
    return {};
  }
  Nothing erase(const Nothing&) {
    erase_state();
    return {};
  }
  Nothing drop_cover(const Nothing&) {
    erase_cover();
    return {};
  }

 private:
  Seen seen() const {
    Seen seen;
    seen.set_copies(state().copies());
    seen.set_title(cover().title());
    seen.set_has_cover(has_cover());
    seen.set_pages(pages().text_size());
    seen.set_exists(has_state());
    seen.set_expires_at_ms(expires_at_ms());
    return seen;
  }
};

class NoteActor final : public NoteBase<NoteActor> {
 public:
  orbit::Task<Number> put(const Change& change) {
    mutable_state().set_copies(state().copies() + change.copies());
    if (change.save()) co_await save();
    Number out;
    out.set_value(state().copies());
    co_return out;
  }
  Number look(const Nothing&) const {
    Number out;
    out.set_value(state().copies());
    return out;
  }
};

}  // namespace shelf
