// Takes chunks from the area, keeps the free ones, decommits what is idle.
#include "allocators/slab/chunk_pool.h"

#include <bit>

#include "allocators/base/clock.h"
#include "allocators/config.h"

namespace sqlitemem {

bool ChunkPool::start(Area& area, PageSource& pages, MemoryBudget& budget,
                      std::atomic<ClassIndex>* chunk_map_of_area) noexcept {
  area_ = &area, pages_ = &pages, budget_ = &budget;
  chunk_map_ = chunk_map_of_area;
  const std::size_t chunks = area.bytes_left() / chunk_bytes;
  table_bytes_ = round_up(chunks * sizeof(Slab), page_bytes);
  table_memory_ = static_cast<std::byte*>(pages.reserve(table_bytes_, page_bytes));
  if (table_memory_ == nullptr) return false;
  table_.start(pages, table_memory_, table_bytes_, 64 * kib);
  slabs_ = reinterpret_cast<Slab*>(table_memory_);
  return true;
}

void ChunkPool::stop() noexcept {
  const LockGuard guard(lock_);
  if (table_memory_ != nullptr) pages_->release(table_memory_, table_bytes_);
  table_memory_ = nullptr, slabs_ = nullptr;
  newest_ = oldest_ = no_chunk;
  free_count_ = chunk_count_ = 0, dirty_pages_ = 0;
}

void ChunkPool::unlink(std::uint32_t chunk) noexcept {
  Slab& slab = slabs_[chunk];
  (slab.prev == no_chunk ? newest_ : slabs_[slab.prev].next) = slab.next;
  (slab.next == no_chunk ? oldest_ : slabs_[slab.next].prev) = slab.prev;
  --free_count_;
}

std::uint32_t ChunkPool::take(ClassIndex index) noexcept {
  const LockGuard guard(lock_);
  std::uint32_t chunk = newest_;
  if (chunk != no_chunk) {
    unlink(chunk);
    dirty_pages_ -= static_cast<std::uint64_t>(std::popcount(slabs_[chunk].charged_pages));
  } else {
    const std::size_t table_used = round_up((chunk_count_ + 1) * sizeof(Slab), page_bytes);
    const auto table_has = static_cast<std::size_t>(table_.frontier() - table_.begin());
    if (table_used > table_has && table_.extend(table_used - table_has) == nullptr) return no_chunk;
    if (area_->bytes_left() < chunk_bytes || area_->extend(chunk_bytes) == nullptr) return no_chunk;
    chunk = chunk_count_++;
  }
  const std::uint16_t charged = slabs_[chunk].charged_pages;
  slabs_[chunk] = Slab{};
  slabs_[chunk].charged_pages = charged;
  slabs_[chunk].class_index = index;
  slabs_[chunk].next = slabs_[chunk].prev = no_chunk;
  chunk_map_[chunk].store(index, std::memory_order_relaxed);
  return chunk;
}

void ChunkPool::give(std::uint32_t chunk) noexcept {
  const LockGuard guard(lock_);
  chunk_map_[chunk].store(no_class, std::memory_order_relaxed);
  Slab& slab = slabs_[chunk];
  slab.class_index = no_class;
  slab.freed_at_ns = coarse_clock_ns();
  if (option(&Config::purge_delay) == 0) purge_pages(chunk, slab.charged_pages);
  dirty_pages_ += static_cast<std::uint64_t>(std::popcount(slab.charged_pages));
  slab.prev = no_chunk;
  slab.next = newest_;
  (newest_ == no_chunk ? oldest_ : slabs_[newest_].prev) = chunk;
  newest_ = chunk;
  ++free_count_;
}

std::size_t ChunkPool::purge_pages(std::uint32_t chunk, std::uint16_t idle) noexcept {
  Slab& slab = slabs_[chunk];
  const std::uint32_t wanted = slab.charged_pages & idle;
  std::size_t freed = 0;
  for (std::size_t page = 0; page < pages_per_chunk;) {
    if ((wanted >> page & 1) == 0) {
      ++page;
      continue;
    }
    const std::size_t first = page;
    while (page < pages_per_chunk && (wanted >> page & 1) != 0) ++page;
    const std::size_t bytes = (page - first) * page_bytes;
    if (!pages_->decommit(address_of(chunk) + first * page_bytes, bytes)) continue;
    for (std::size_t p = first; p < page; ++p) {
      slab.charged_pages = static_cast<std::uint16_t>(slab.charged_pages & ~(1U << p));
    }
    freed += bytes;
  }
  if (freed != 0) budget_->refund(freed);
  return freed;
}

std::size_t ChunkPool::purge(std::uint64_t idle_ns, std::uint64_t now_ns) noexcept {
  const LockGuard guard(lock_);
  std::size_t freed = 0;
  for (std::uint32_t chunk = oldest_; chunk != no_chunk; chunk = slabs_[chunk].prev) {
    if (slabs_[chunk].freed_at_ns + idle_ns > now_ns) break;  // Everything newer is warmer.
    if (slabs_[chunk].charged_pages != 0) freed += purge_pages(chunk, slabs_[chunk].charged_pages);
  }
  dirty_pages_ -= freed / page_bytes;
  return freed;
}

std::uint64_t ChunkPool::dirty_free_bytes() const noexcept {
  const LockGuard guard(lock_);
  return dirty_pages_ * page_bytes;
}

std::uint64_t ChunkPool::free_chunks() const noexcept {
  const LockGuard guard(lock_);
  return free_count_;
}

std::uint64_t ChunkPool::chunks() const noexcept {
  const LockGuard guard(lock_);
  return chunk_count_;
}

void ChunkPool::add_free_chunks(FillMap& map) const noexcept {
  const LockGuard guard(lock_);
  for (std::uint32_t chunk = newest_; chunk != no_chunk; chunk = slabs_[chunk].next) {
    const auto pages = static_cast<std::uint64_t>(std::popcount(slabs_[chunk].charged_pages));
    map.add(std::uint64_t{chunk} << chunk_shift, chunk_bytes, {.held_bytes = pages * page_bytes});
  }
}

std::uint64_t ChunkPool::resident_bytes() const noexcept {
  const LockGuard guard(lock_);  // The frontier moves.
  const auto bytes = static_cast<std::size_t>(area_->frontier() - area_->begin());
  return bytes == 0 ? 0 : pages_->resident_bytes(area_->begin(), bytes);
}

std::optional<Violation> ChunkPool::find_violation() const noexcept {
  const LockGuard guard(lock_);
  std::uint64_t listed = 0, dirty = 0;
  for (std::uint32_t chunk = newest_; chunk != no_chunk; chunk = slabs_[chunk].next) {
    if (slabs_[chunk].class_index != no_class)
      return Violation{"chunk: a listed chunk is free", no_class, slabs_[chunk].class_index};
    if (++listed > chunk_count_)
      return Violation{"chunk: the free list has no cycle", chunk_count_, listed};
    dirty += static_cast<std::uint64_t>(std::popcount(slabs_[chunk].charged_pages));
  }
  if (listed != free_count_)
    return Violation{"chunk: free_count == length of the free list", listed, free_count_};
  if (dirty != dirty_pages_)
    return Violation{"chunk: dirty_pages == charged pages of free chunks", dirty, dirty_pages_};
  std::uint64_t free = 0;
  for (std::uint32_t chunk = 0; chunk < chunk_count_; ++chunk) {
    const ClassIndex mapped = chunk_map_[chunk].load(std::memory_order_relaxed);
    if (mapped != slabs_[chunk].class_index) {
      return Violation{"chunk: the map says what the descriptor says", slabs_[chunk].class_index,
                       mapped, reinterpret_cast<std::uintptr_t>(address_of(chunk))};
    }
    free += mapped == no_class ? 1 : 0;
  }
  if (free != listed) return Violation{"chunk: every free chunk is listed", free, listed};
  return std::nullopt;
}

}  // namespace sqlitemem
