// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "cursor.hpp"

namespace orbit::s3 {

Merge::Merge(std::vector<std::unique_ptr<Cursor>> newest_first, bool reverse, bool keep_erased)
    : sources_(std::move(newest_first)), reverse_(reverse), keep_erased_(keep_erased) {
  settle();
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
    bool hidden = winner_->erased() && !keep_erased_;
    for (size_t i = 0; i < index && !hidden; ++i) hidden = sources_[i]->covers(winner_->key());
    if (!hidden) return;
    skip();
  }
}

}  // namespace orbit::s3
