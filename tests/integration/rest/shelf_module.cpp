// SPDX-License-Identifier: MIT OR BSD-3-Clause
// An actor type with what a REST wire can meet: annotations, enums, lists, oneofs, maps, a method that fails and one whose turn waits
// until another method is called.
#include <algorithm>
#include <coroutine>
#include <orbit/actor_module.hpp>
#include <vector>

#include "shelf.orbit.hpp"

namespace shelf {

class ShelfActor final : public ShelfBase<ShelfActor> {
 public:
  orbit::Result<Books> put(const PutRequest& request) {
    if (request.book().title().empty()) return orbit::fail(orbit::Code::invalid_argument, "a book has a title");
    *mutable_state().add_books() = request.book();
    Books out;
    *out.mutable_books() = state().books();
    for (const Book& book : state().books()) (*out.mutable_pages_by_title())[book.title()] += book.pages();
    out.set_seen(static_cast<uint64_t>(state().books_size()));
    return out;
  }
  Books list(const ListRequest& request) const {
    Books out;
    for (const Book& book : state().books()) {
      const auto& colours = request.colours();
      const bool colour = colours.empty() || std::find(colours.begin(), colours.end(), book.colour()) != colours.end();
      if (colour && book.pages() >= request.filter().pages_min() && (request.title().empty() || request.title() == book.title()))
        *out.add_books() = book;
    }
    if (request.newest_first()) std::reverse(out.mutable_books()->begin(), out.mutable_books()->end());
    out.set_seen(static_cast<uint64_t>(state().books_size()));
    return out;
  }
  Nothing clear(const Nothing&) {
    erase_state();
    return {};
  }
  orbit::Result<Nothing> fail(const Nothing&) { return orbit::fail(orbit::Code::out_of_range, "this shelf is \"full\""); }
};

class DoorActor final : public DoorBase<DoorActor> {
 public:
  orbit::Task<Nothing> wait(const Nothing&) {
    co_await Here{*this};
    co_return Nothing();
  }
  Nothing open(const Nothing&) {
    std::vector<std::coroutine_handle<>> all;
    all.swap(waiting_);
    for (const auto each : all) each.resume();
    return {};
  }
  Waiting count(const Nothing&) const {
    Waiting out;
    out.set_turns(static_cast<uint32_t>(waiting_.size()));
    return out;
  }

 private:
  struct Here {
    DoorActor& door;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> frame) const { door.waiting_.push_back(frame); }
    void await_resume() const noexcept {}
  };
  std::vector<std::coroutine_handle<>> waiting_;
};

}  // namespace shelf

ORBIT_ACTOR_MODULE("shelf", "1.0.0", shelf::ShelfActor, shelf::DoorActor)
