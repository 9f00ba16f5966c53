// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "cursor.hpp"

namespace orbit::s3 {

Merge::Merge(std::vector<std::unique_ptr<Cursor>> newest_first, Bytes from, Bytes to, bool reverse, bool keep_erased)
    : sources_(std::move(newest_first)), reverse_(reverse), keep_erased_(keep_erased) {
  for (size_t i = 0; i < sources_.size(); ++i) begin(i, std::string(reverse ? to : from));
  settle();
}

// Where the source begins that is not hidden by newer ones.
void Merge::begin(size_t index, std::string bound) {
  for (size_t i = 0; i < index; ++i) {
    auto further = sources_[i]->hides_until(bound, reverse_);
    if (!further) continue;
    if (further->empty()) return;
    bound = std::move(*further);
    i = static_cast<size_t>(-1);  // what lies there may be hidden by any of them
  }
  sources_[index]->seek(bound);
}

// If the winner's key is hidden, the older sources leave all that is.
bool Merge::leap_if_hidden(size_t winner) {
  for (size_t i = 0; i < winner; ++i) {
    const auto until = sources_[i]->hides_until(winner_->key(), false);
    if (!until) continue;
    for (size_t older = i + 1; older < sources_.size(); ++older) {
      Cursor& source = *sources_[older];
      if (!source.valid()) continue;
      if (until->empty())
        source.end();
      else if (reverse_ ? source.key() >= *until : source.key() < *until)
        source.seek(*until);
    }
    return true;
  }
  return false;
}

// Every source leaves the key of the winner, which goes last: the others compare with its bytes.
void Merge::skip() {
  for (const auto& source : sources_)
    if (source.get() != winner_ && source->valid() && source->key() == winner_->key()) source->next();
  winner_->next();
}

void Merge::settle() {
  while (true) {
    winner_ = nullptr;
    size_t index = 0;
    for (size_t i = 0; i < sources_.size(); ++i) {
      Cursor* const source = sources_[i].get();
      if (!source->valid()) continue;
      if (winner_ == nullptr || (reverse_ ? source->key() > winner_->key() : source->key() < winner_->key())) {
        winner_ = source;
        index = i;
      }
    }
    if (winner_ == nullptr) return;
    if (leap_if_hidden(index)) continue;
    if (!winner_->erased() || keep_erased_) return;
    skip();
  }
}

}  // namespace orbit::s3
