// Which classes there are, and how many objects a magazine of each may hold.
#include "allocators/config.h"
#include "allocators/slab/slab_heap.h"

namespace sqlitemem {

void SlabHeap::consider_learning(std::size_t request_bytes, ClassIndex index,
                                 std::size_t new_slabs) noexcept {
  if (!is_slab_class(index)) return;
  const std::uint64_t growth = requests_.record_growth(request_bytes, new_slabs);
  const std::size_t exact = round_up(request_bytes, class_granule_bytes);
  const std::size_t saved = table_.object_bytes(index) - exact;
  // Worth a class: saves 2.5 % and more, for a size that took three slabs and 1/32 of all.
  if (saved * 40 < table_.object_bytes(index) || growth < 3 ||
      growth * 32 < requests_.total_growth())
    return;
  const auto limit = static_cast<std::size_t>(option(&Config::learned_classes));
  const LockGuard guard(learning_lock_);
  const std::size_t count = table_.learned_count();
  if (count >= limit || count >= learned_class_count) return;
  if (table_.object_bytes(table_.class_for(exact)) == exact) return;  // Another thread was faster.
  const auto learned = static_cast<ClassIndex>(first_learned_class + count);
  classes_[learned].configure(learned, exact);
  apply_config();
  static_cast<void>(table_.learn(exact, limit));
}

void SlabHeap::apply_config() noexcept {
  for (std::size_t index = first_fixed_class; index < run_area_code; ++index) {
    const std::size_t bytes = classes_[index].object_bytes();
    const std::int64_t capacity = is_run_class(index) ? option(&Config::page_run_magazine)
                                  : bytes <= 64       ? option(&Config::lock_entry_magazine)
                                  : bytes <= 128      ? option(&Config::page_header_magazine)
                                  : bytes <= 192      ? option(&Config::version_record_magazine)
                                  : bytes <= 256      ? option(&Config::small_row_magazine)
                                  : bytes <= 384      ? option(&Config::transaction_magazine)
                                  : bytes <= 512      ? option(&Config::medium_row_magazine)
                                  : bytes <= 1920     ? option(&Config::large_row_magazine)
                                                      : option(&Config::index_node_magazine);
    max_capacity_[index].store(static_cast<std::uint32_t>(capacity), std::memory_order_relaxed);
  }
}

}  // namespace sqlitemem
