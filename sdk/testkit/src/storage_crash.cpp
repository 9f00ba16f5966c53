// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <orbit/testkit/storage_model.hpp>

#include "storage_random.hpp"

namespace orbit::testkit {

namespace {

std::string loss_name(Loss loss) {
  switch (loss) {
    case Loss::nothing: return "nothing lost";
    case Loss::everything: return "everything lost that was not synced";
    case Loss::some: return "some writes lost";
    case Loss::torn: return "some sectors lost";
  }
  return {};
}

// What is wrong with the files; empty: nothing. `states` are the digests after 0, 1, 2 ... batches.
std::string look_at(const StorageSubject& subject, FaultyFiles& files, const std::vector<uint64_t>& states, uint64_t acknowledged,
                    uint64_t submitted, bool go_on) {
  StorageMap found;
  {
    auto engine = subject.open(files);
    if (!engine) return "cannot be opened: " + engine.error().message;
    auto content = content_of(**engine);
    if (!content) return "cannot be read: " + content.error().message;
    found = std::move(*content);
    const uint64_t state = digest(found);
    bool known = false;
    for (uint64_t n = acknowledged; n <= submitted && !known; ++n) known = states[n] == state;
    if (!known) {
      for (uint64_t n = 0; n < states.size(); ++n)
        if (states[n] == state)
          return "is as after batch " + std::to_string(n) + ", but " + std::to_string(acknowledged) + " were acknowledged and " +
                 std::to_string(submitted) + " begun";
      return "is as after no batch at all: one was torn, or data is wrong";
    }
    if (!go_on) return {};
    const std::vector<RandomWrite> more{{WriteKind::put, "after the crash", "written"}, {WriteKind::erase, "a/common/beginning/1001", {}}};
    if (Result<> written = write_to(**engine, more, true); !written) return "cannot be written to: " + written.error().message;
    apply_to(found, more);
  }
  auto engine = subject.open(files);
  if (!engine) return "cannot be opened again: " + engine.error().message;
  auto content = content_of(**engine);
  if (!content) return "cannot be read again: " + content.error().message;
  return *content == found ? "" : "is not what it was when it was closed: " + first_difference(*content, found);
}

}  // namespace

CrashReport crash_everywhere(const StorageSubject& subject, uint64_t seed, size_t batches) {
  CrashReport report;
  std::mt19937_64 random(seed);
  FaultyFiles files;
  std::vector<uint64_t> states{digest({})};
  StorageMap map;
  auto engine = subject.open(files);
  if (!engine) {
    report.failure = "cannot be created: " + engine.error().message;
    return report;
  }
  for (size_t i = 1; i <= batches; ++i) {
    const std::vector<RandomWrite> batch = random_batch(random);
    const bool sync = random() % 2 == 0;
    apply_to(map, batch);
    states.push_back(digest(map));
    files.mark("submitted", i);
    if (Result<> written = write_to(**engine, batch, sync); !written) {
      report.failure = "a write failed: " + written.error().message;
      return report;
    }
    if (sync) files.mark("acknowledged", i);
    if (!subject.upkeep.empty() && random() % 40 == 0) {
      const auto& upkeep = subject.upkeep[random() % subject.upkeep.size()];
      if (Result<> done = upkeep.run(**engine); !done) {
        report.failure = upkeep.name + " failed: " + done.error().message;
        return report;
      }
    }
    if (random() % 60 == 0) {
      engine->reset();
      engine = subject.open(files);
      if (!engine) {
        report.failure = "cannot be opened: " + engine.error().message;
        return report;
      }
    }
  }
  engine->reset();

  CrashWalk walk(files);
  while (walk.step()) {
    ++report.steps;
    for (const Loss loss : kLosses) {
      const std::unique_ptr<FaultyFiles> left = walk.crash(loss, random);
      const std::string wrong =
          look_at(subject, *left, states, walk.mark("acknowledged"), std::max(walk.mark("submitted"), walk.mark("acknowledged")), random() % 8 == 0);
      ++report.crashes;
      if (!wrong.empty()) {
        report.failure = "after a power cut at step " + std::to_string(report.steps) + " of seed " + std::to_string(seed) + " (" + loss_name(loss) +
                         ") the engine " + wrong;
        return report;
      }
      // The power may fail again while the engine starts, writes and ends.
      if (random() % 32 != 0) continue;
      CrashWalk again(*left);
      while (again.step()) {
        const std::unique_ptr<FaultyFiles> second = again.crash(kLosses[random() % std::size(kLosses)], random);
        auto opened = subject.open(*second);
        ++report.crashes;
        const auto content = opened ? content_of(**opened) : Result<StorageMap>(tl::unexpected<Error>(opened.error()));
        if (content) continue;
        report.failure = "after two power cuts, the first at step " + std::to_string(report.steps) + " of seed " + std::to_string(seed) +
                         ", the engine fails: " + content.error().message;
        return report;
      }
    }
  }
  return report;
}

}  // namespace orbit::testkit
