// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "block.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <map>
#include <random>

using namespace orbit;
using namespace orbit::lsm;

namespace {

const std::string kWhere = "a table";

struct NewestFirst {
  bool operator()(const std::pair<std::string, uint64_t>& a, const std::pair<std::string, uint64_t>& b) const {
    return compare(a.first, a.second, b.first, b.second) < 0;
  }
};
using Model = std::map<std::pair<std::string, uint64_t>, std::string, NewestFirst>;

std::string built(const Model& model) {
  BlockBuilder builder;
  for (const auto& [version, value] : model) builder.add(version.first, version.second, value);
  return std::string(builder.finish());
}

void check_lookups(const Model& model, const std::function<std::string()>& any_key) {
  const std::string block = built(model);
  const BlockIndex index(block);
  for (int i = 0; i < 2000; ++i) {
    const std::string key = any_key();
    const uint64_t wanted = seek_tag(static_cast<uint64_t>(i) % 60);
    const auto first = model.lower_bound({key, wanted});
    const InBlock expected = first == model.end()        ? InBlock::after
                             : first->first.first == key ? InBlock::found
                                                         : InBlock::absent;
    uint64_t tag = 0;
    Bytes value;
    REQUIRE(find_in_block(block, index, key, wanted, kWhere, tag, value) == expected);
    if (expected != InBlock::found) continue;
    REQUIRE(tag == first->first.second);
    REQUIRE(value == first->second);
  }
}

}  // namespace

TEST_CASE("a lookup in a block finds what a map finds, whatever its size and its keys") {
  std::mt19937_64 random(11);
  for (const size_t versions : {1, 7, 8, 9, 60, 64, 65, 300, 2000}) {
    CAPTURE(versions);
    for (const size_t alphabet : {2, 40}) {
      const auto any_key = [&] {
        std::string out = "common/";
        if (random() % 50 == 0) out.resize(random() % out.size());
        for (size_t left = random() % (alphabet == 2 ? 20 : 4); left > 0; --left)
          out.push_back(static_cast<char>('0' + random() % alphabet));
        return out;
      };
      Model model;
      for (size_t i = 0; i < versions; ++i)
        model[{any_key(), tag_of(1 + random() % 50, Kind::put)}] = std::string(random() % 30, 'v');
      check_lookups(model, any_key);
    }
  }
}

TEST_CASE("a lookup in a block of any bytes ends, or says that it is damaged") {
  std::mt19937_64 random(12);
  Model model;
  for (int i = 0; i < 200; ++i) model[{"key" + std::to_string(random() % 1000), tag_of(1, Kind::put)}] = "value";
  const std::string good = built(model);
  for (int i = 0; i < 5000; ++i) {
    std::string block = good;
    if (random() % 4 == 0) block.resize(random() % block.size());
    for (int flips = 0; flips < 3 && !block.empty(); ++flips)
      block[random() % block.size()] = static_cast<char>(random());
    uint64_t tag = 0;
    Bytes value;
    const Result<> looked = coding::guarded([&] {
      (void)find_in_block(block, BlockIndex(block), "key" + std::to_string(random() % 1000), seek_tag(9), kWhere, tag,
                          value);
    });
    if (!looked) REQUIRE(looked.error().code == Code::data_loss);
  }
}
