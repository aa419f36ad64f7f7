// Fills the class table at start and adds learned classes to it.
#include "allocators/slab/size_classes.h"

namespace sqlitemem {

void ClassTable::set_object_bytes(std::size_t index, std::size_t bytes) noexcept {
  const bool is_looked_up = checks_every_call_ && is_slab_class(index);
  object_bytes_[index].store(static_cast<std::uint32_t>(bytes), std::memory_order_relaxed);
  object_bytes_unchecked_[index].store(is_looked_up ? 0 : static_cast<std::uint32_t>(bytes),
                                       std::memory_order_relaxed);
}

void ClassTable::start(bool checks_every_call) noexcept {
  checks_every_call_ = checks_every_call;
  for (std::size_t index = 0; index < class_slot_count; ++index) set_object_bytes(index, 0);
  for (std::size_t i = 0; i < fixed_class_count; ++i)
    set_object_bytes(first_fixed_class + i, fixed_class_bytes[i]);
  for (std::size_t granules = min_run_granules; granules * run_granule_bytes <= max_cached_bytes;
       ++granules) {
    set_object_bytes(run_class_for(granules), granules * run_granule_bytes);
  }
  class_for_unit_[0].store(no_class, std::memory_order_relaxed);
  std::size_t fixed = 0;
  for (std::size_t unit = 1; unit <= max_unit; ++unit) {
    const std::size_t bytes = unit * class_granule_bytes;
    while (fixed < fixed_class_count && fixed_class_bytes[fixed] < bytes) ++fixed;
    const ClassIndex index = fixed < fixed_class_count
                                 ? static_cast<ClassIndex>(first_fixed_class + fixed)
                                 : run_class_for(divide_up(bytes, run_granule_bytes));
    class_for_unit_[unit].store(index, std::memory_order_relaxed);
  }
  learned_count_.store(0, std::memory_order_release);
}

ClassIndex ClassTable::learn(std::size_t bytes, std::size_t limit) noexcept {
  const std::size_t count = learned_count_.load(std::memory_order_relaxed);
  if (count >= limit || count >= learned_class_count) return no_class;
  const auto index = static_cast<ClassIndex>(first_learned_class + count);
  set_object_bytes(index, bytes);
  learned_count_.store(count + 1, std::memory_order_release);
  for (std::size_t unit = bytes / class_granule_bytes; unit > 0; --unit) {
    if (object_bytes(class_for_unit(unit)) < bytes) break;  // The next smaller class begins.
    class_for_unit_[unit].store(index, std::memory_order_release);
  }
  return index;
}

}  // namespace sqlitemem
