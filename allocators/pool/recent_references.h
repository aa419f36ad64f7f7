// Spares the sampler the repetitions of a page that it has just been told about.
#pragma once

#include <array>
#include <cstdint>

namespace sqlitemem {

/// The pages that a cache referred to most recently, one per slot. Most references go to a few hot
/// pages, which are hits in a pool of any size: telling so a few times raises their marks as far as
/// they go, after that one time in sixteen keeps them recent. Each cache has its own; no lock.
class RecentReferences {
 public:
  /// Whether the sampler need not know of this reference.
  [[nodiscard]] bool is_repetition(std::uint64_t key_hash) noexcept {
    const auto key = static_cast<std::uint32_t>(key_hash >> 32);
    Slot& slot = slots_[key % slots_.size()];
    if (slot.key != key) {
      slot = {.key = key, .repetitions = 0};
      return false;
    }
    ++slot.repetitions;
    return slot.repetitions >= told_at_first && slot.repetitions % told_one_in != 0;
  }

 private:
  static constexpr std::uint32_t told_at_first = 4;  ///< A mark has gone as far as it goes.
  static constexpr std::uint32_t told_one_in = 16;

  struct Slot {
    std::uint32_t key = 0;
    std::uint32_t repetitions = 0;
  };
  std::array<Slot, 16> slots_;
};

}  // namespace sqlitemem
