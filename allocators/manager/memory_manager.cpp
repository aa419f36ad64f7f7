// Routing: which allocator serves a request, what happens when it cannot, and who is told.
#include "allocators/manager/memory_manager.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>

#include "allocators/base/clock.h"
#include "allocators/manager/routes.h"

namespace sqlitemem {

MemoryManager::StartResult MemoryManager::start(const Settings& settings) noexcept {
  if (is_started()) return StartResult::already_started;
  if (::sysconf(_SC_PAGESIZE) != static_cast<long>(page_bytes))
    return StartResult::unsupported_page_size;
  pages_ = settings.pages != nullptr ? settings.pages : &os_pages();
  const std::size_t wanted = settings.region_bytes != 0
                                 ? settings.region_bytes
                                 : static_cast<std::size_t>(option(&Config::region_size));
  metadata_.start(*pages_, settings.metadata_chunk_bytes);
  Region region;
  const std::size_t space_left = address_space_left();
  is_space_limited_ = space_left != SIZE_MAX || data_limit() != SIZE_MAX;
  const std::size_t stride = data_limit() != SIZE_MAX
                                 ? std::min<std::size_t>(settings.commit_stride, mib)
                                 : settings.commit_stride;
  if (!region.start(*pages_, wanted, space_left, stride)) return StartResult::no_address_space;
  const std::size_t map_bytes = sqlitemem::round_up(region.bytes() >> chunk_shift, page_bytes);
  void* map = pages_->reserve(map_bytes, page_bytes);
  if (map == nullptr || !pages_->commit(map, map_bytes)) {
    if (map != nullptr) pages_->release(map, map_bytes);
    region.stop();
    return StartResult::no_memory;
  }
  chunk_map_ = static_cast<std::atomic<ClassIndex>*>(map);
  region_ = region;
  const auto map_of = [&](const Area& area) {
    return chunk_map_ + (static_cast<std::size_t>(area.begin() - region_.base()) >> chunk_shift);
  };
  if (!chunks_.start(region_.slabs, *pages_, budget_, map_of(region_.slabs)) ||
      !runs_.start(region_.runs, metadata_, *pages_, budget_, map_of(region_.runs)) ||
      !large_.start(region_.large, metadata_, *pages_, budget_)) {
    stop();
    return StartResult::no_memory;
  }
  slabs_.start({.chunks = &chunks_,
                .runs = &runs_,
                .metadata = &metadata_,
                .budget = &budget_,
                .out_bytes = nullptr},
               option_as<HeapChecks>(&Config::heap_checks) == HeapChecks::every_call);
  last_maintenance_ns_.store(coarse_clock_ns(), std::memory_order_relaxed);
  apply_config();
  return StartResult::ok;
}

void MemoryManager::stop() noexcept {
  if (!is_started()) return;
  large_.stop();
  runs_.stop();
  chunks_.stop();
  metadata_.stop();
  pages_->release(chunk_map_, sqlitemem::round_up(region_.bytes() >> chunk_shift, page_bytes));
  region_.stop();
  chunk_map_ = nullptr;
  // Nothing of the old heap may show in the next one: its lists point into pages that are gone.
  const NewThreadHandler on_new_thread = slabs_.new_thread_handler();
  std::construct_at(&slabs_);
  slabs_.set_new_thread_handler(on_new_thread);
  std::construct_at(&budget_);
  for (auto* counter :
       {&large_run_bytes_, &large_run_allocations_, &large_run_frees_, &large_run_objects_,
        &peak_live_bytes_, &peak_live_objects_, &next_peak_check_, &failures_, &last_refused_bytes_,
        &corruptions_, &fruitless_out_bytes_}) {
    counter->store(0, std::memory_order_relaxed);
  }
}

void MemoryManager::apply_config() noexcept {
  const auto limit = static_cast<std::uint64_t>(option(&Config::memory_limit));
  budget_.set_limit(limit == 0 ? MemoryBudget::unlimited : limit);
  slabs_.apply_config();
}

std::size_t MemoryManager::round_up(std::size_t bytes) const noexcept {
  if (bytes == 0 || bytes > max_request_bytes) return bytes;
  if (bytes <= max_cached_bytes)
    return slabs_.table().object_bytes(slabs_.table().class_for(bytes));
  return sqlitemem::round_up(bytes, is_run_request(bytes) ? run_granule_bytes : page_bytes);
}

void* MemoryManager::sampled(ThreadCache& cache, const CacheSlot& slot, std::size_t bytes,
                             void* block) noexcept {
  slabs_.sample(cache, static_cast<ClassIndex>(&slot - cache.slots.data()), bytes);
  return block;
}

void* MemoryManager::allocate_run(std::size_t bytes) noexcept {
  void* run = runs_.allocate(granules_for(bytes));
  if (run == nullptr) return nullptr;
  large_run_bytes_.fetch_add(granules_for(bytes) * run_granule_bytes, std::memory_order_relaxed);
  large_run_objects_.fetch_add(1, std::memory_order_relaxed);
  large_run_allocations_.fetch_add(1, std::memory_order_relaxed);
  return run;
}

void* MemoryManager::allocate_once(ThreadCache*& cache, std::size_t bytes,
                                   std::size_t max_batch) noexcept {
  if (bytes <= max_cached_bytes)
    return slabs_.allocate(cache, slabs_.table().class_for(bytes), bytes, max_batch);
  return is_run_request(bytes) ? allocate_run(bytes) : large_.allocate(bytes);
}

// In a small region one area may be full while the others have room. What fits nowhere else is
// served from a larger kind of block, whose size is then what usable_bytes() says.
void* MemoryManager::allocate_elsewhere(ThreadCache*& cache, std::size_t bytes,
                                        std::size_t max_batch) noexcept {
  void* block = nullptr;
  // A multiple of a page is page-aligned, which of runs only those of whole pages are.
  const std::size_t as_run =
      bytes % page_bytes == 0 ? 2 * page_bytes : min_run_granules * run_granule_bytes;
  const std::size_t as_large = sqlitemem::round_up(bytes, page_bytes);
  if (bytes <= max_slab_object_bytes && fits_live_limit(as_run, max_batch))
    block = slabs_.allocate(cache, run_class_for(granules_for(as_run)), bytes, max_batch);
  if (block == nullptr && is_run_request(bytes) && fits_live_limit(as_large, max_batch))
    block = large_.allocate(bytes);
  return block;
}

// Before a request is refused, caches and idle pages go. That takes time in proportion to the heap,
// so it is not done again while nothing more has been freed than at a collection that did not help.
bool MemoryManager::collect_for_request(ThreadCache*& cache) noexcept {
  const std::uint64_t fruitless = fruitless_out_bytes_.load(std::memory_order_relaxed);
  const std::uint64_t cached = is_placeholder(cache) ? 0 : slabs_.cached_bytes(*cache);
  if (fruitless != 0 && at_least_zero(out_bytes(), cached) >= fruitless) return false;
  collect(cache);
  return true;
}

void MemoryManager::note_collection(bool has_helped) noexcept {
  const std::uint64_t out = std::max<std::uint64_t>(out_bytes(), 1);
  fruitless_out_bytes_.store(has_helped ? 0 : out, std::memory_order_relaxed);
}

// The limit is ours to keep; a short address space is not the caller's fault. A block takes a page
// or more: where that does not fit, the limit is the reason.
bool MemoryManager::may_borrow(std::size_t bytes) const noexcept {
  return on_overflow_ != nullptr &&
         budget_.held_bytes() + sqlitemem::round_up(bytes, page_bytes) <= budget_.in_force();
}

void* MemoryManager::allocate_slow(ThreadCache*& cache, std::size_t bytes) noexcept {
  if (bytes == 0 || !is_started()) return nullptr;
  if (!is_placeholder(cache)) {
    BadBlocks bad;
    slabs_.heed_trim(*cache, bad);
    if (bad.count != 0) report(bad);
  }
  std::size_t max_batch = ~std::size_t{0};
  void* block = nullptr;
  if (bytes <= max_request_bytes && fits_live_limit(bytes, max_batch)) {
    block = allocate_once(cache, bytes, max_batch);
    if (block == nullptr && collect_for_request(cache)) {
      block = allocate_once(cache, bytes, max_batch);
      note_collection(block != nullptr);
    }
    if (block == nullptr) block = allocate_elsewhere(cache, bytes, max_batch);
    if (block == nullptr && may_borrow(bytes)) {
      if (void* lent = on_overflow_(bytes)) return lent;
    }
  }
  if (block == nullptr && reclaim(bytes, max_batch)) {
    block = allocate_once(cache, bytes, max_batch);
    // A full region, while the previous allocator found no address space before.
    if (block == nullptr && may_borrow(bytes)) {
      if (void* lent = on_overflow_(bytes)) return lent;
    }
  }
  if (bytes > max_cached_bytes && block != nullptr) slabs_.requests().record_large(bytes);
  if (block == nullptr) return refuse(bytes);
  note_growth();
  // A large block changes more than a refill does.
  if (bytes > max_cached_bytes || cache->slow_calls++ % 8 == 0) look_around();
  return block;
}

void MemoryManager::look_around() noexcept {
  if (const auto look = on_slow_path_.load(std::memory_order_acquire)) look();
}

std::nullptr_t MemoryManager::refuse(std::size_t bytes) noexcept {
  failures_.fetch_add(1, std::memory_order_relaxed);
  last_refused_bytes_.store(bytes, std::memory_order_relaxed);
  if (const auto refused = on_refusal_.load(std::memory_order_acquire)) refused(bytes);
  return nullptr;
}

/// Whether it would if nothing else were held: what never fits shall not cost others their pages.
bool MemoryManager::can_ever_fit(std::size_t bytes) const noexcept {
  const std::uint64_t live_limit = live_limit_.load(std::memory_order_relaxed);
  return bytes <= max_request_bytes && bytes <= budget_.limit() &&
         (live_limit == 0 || bytes <= live_limit);
}

/// Pages of the buffer pool that nobody is using make room for what cannot wait. false: another try
/// is in vain.
bool MemoryManager::reclaim(std::size_t bytes, std::size_t& max_batch) noexcept {
  const ShortageHandler handler = on_shortage_.load(std::memory_order_acquire);
  if (handler == nullptr || !can_ever_fit(bytes)) return false;
  // The pool takes pages by the batch, so it may be above SQLite's limit already.
  const std::uint64_t limit = live_limit_.load(std::memory_order_relaxed);
  const std::uint64_t live = limit == 0 ? 0 : other_live_bytes() + live_bytes();
  const std::uint64_t excess = live > limit ? live - limit : 0;
  max_batch = ~std::size_t{0};
  return handler(bytes + chunk_bytes + excess) != 0 && fits_live_limit(bytes, max_batch);
}

void MemoryManager::release_run(ThreadCache*& cache, void* block, BadBlocks& bad) noexcept {
  const std::size_t granules = runs_.granules_of(block);
  if (granules != 0 && granules * run_granule_bytes <= max_cached_bytes) {
    const ClassIndex index = run_class_for(granules);
    CacheSlot& slot = cache->slots[index];
    void** top = slot.top.load(std::memory_order_relaxed);
    if (top == slot.hi.load(std::memory_order_relaxed))
      return slabs_.release(cache, block, index, bad);
    if (top[-1] == block)
      return bad.add({BadBlock::Kind::double_free, block, "a block is not freed twice in a row"});
    *top = block;
    return slot.top.store(top + 1, std::memory_order_relaxed);
  }
  switch (runs_.release(block)) {
    case RunHeap::ReleaseResult::ok:
      large_run_bytes_.fetch_sub(granules * run_granule_bytes, std::memory_order_relaxed);
      large_run_objects_.fetch_sub(1, std::memory_order_relaxed);
      large_run_frees_.fetch_add(1, std::memory_order_relaxed);
      break;
    case RunHeap::ReleaseResult::not_live:
      bad.add({BadBlock::Kind::double_free, block, "a freed run was handed out"});
      break;
    case RunHeap::ReleaseResult::interior:
      bad.add({BadBlock::Kind::interior, block, "a freed pointer is the start of a run"});
      break;
  }
}

void MemoryManager::release_large(void* block, BadBlocks& bad) noexcept {
  switch (large_.release(block)) {
    case LargeObjects::ReleaseResult::ok:
      break;
    case LargeObjects::ReleaseResult::not_live:
      bad.add({BadBlock::Kind::double_free, block, "a freed large object was handed out"});
      break;
    case LargeObjects::ReleaseResult::interior:
      bad.add({BadBlock::Kind::interior, block, "a freed pointer is the start of a large object"});
      break;
  }
}

void MemoryManager::release_slow(ThreadCache*& cache, void* block) noexcept {
  BadBlocks bad;
  const std::size_t offset =
      reinterpret_cast<std::uintptr_t>(block) - reinterpret_cast<std::uintptr_t>(region_.base());
  if (offset >= region_.bytes()) {
    bad.add({BadBlock::Kind::not_a_block, block, "a freed pointer is inside the region"});
    return report(bad);
  }
  const ClassIndex index = code_of(block);
  const CacheSlot& slot = cache->slots[index];
  void** top = slot.top.load(std::memory_order_relaxed);
  if (index == no_class) {
    bad.add({BadBlock::Kind::double_free, block, "the slab of a freed block is there"});
  } else if (index == run_area_code) {
    release_run(cache, block, bad);
  } else if (index == large_area_code) {
    release_large(block, bad);
  } else if (top != slot.lo.load(std::memory_order_relaxed) && top[-1] == block) {
    bad.add({BadBlock::Kind::double_free, block, "a block is not freed twice in a row"});
  } else {
    slabs_.release(cache, block, index, bad);
  }
  const bool has_read_clock = maintain(*cache, bad);
  if (bad.count != 0) report(bad);
  if (has_read_clock) look_around();
}

std::size_t MemoryManager::usable_bytes_slow(const void* block) noexcept {
  const ClassIndex index = region_.contains(block) ? code_of(block) : no_class;
  std::size_t bytes = 0;
  if (is_slab_class(index) && slabs_.is_out(block, index))
    bytes = slabs_.table().object_bytes(index);
  if (index == run_area_code) bytes = runs_.granules_of(block) * run_granule_bytes;
  if (index == large_area_code) bytes = large_.usable_bytes(block);
  if (bytes == 0) {
    report({.kind = CorruptionKind::not_a_block,
            .address = reinterpret_cast<std::uintptr_t>(block),
            .object_bytes = object_bytes_around(block),
            .rule = "a pointer asked for its size is a live block"});
  }
  return bytes;
}

void MemoryManager::thread_exits(ThreadCache*& cache) noexcept {
  BadBlocks bad;
  slabs_.thread_exits(cache, bad);
  if (bad.count != 0) report(bad);  // Nobody else will find a double free once it is flushed.
}

CollectResult MemoryManager::collect(ThreadCache*& cache) noexcept {
  CollectResult result;
  if (!is_started()) return result;
  BadBlocks bad;
  result.magazines = slabs_.flush(cache, bad);
  const std::uint64_t now = coarse_clock_ns();
  result.slabs = slabs_.purge_slabs() + chunks_.purge(0, now);
  result.runs = runs_.purge(0, now);
  result.large = large_.coalesce_all();
  if (bad.count != 0) report(bad);
  SQLITEMEM_CHECK_DEEP(*this);
  return result;
}

std::uint64_t MemoryManager::coalesce_all() noexcept {
  return is_started() ? large_.coalesce_all() + runs_.purge(0, coarse_clock_ns()) : 0;
}

bool MemoryManager::maintain(ThreadCache& cache, BadBlocks& bad) noexcept {
  const auto delay_ns = static_cast<std::uint64_t>(option(&Config::purge_delay)) * 1'000'000;
  // Reading the clock costs more than most of what brings us here.
  if (delay_ns != 0 && !is_placeholder(&cache) && cache.slow_calls++ % 32 != 0) return false;
  const std::uint64_t now = coarse_clock_ns();
  std::uint64_t last = last_maintenance_ns_.load(std::memory_order_relaxed);
  if (now < last + delay_ns ||
      !last_maintenance_ns_.compare_exchange_strong(last, now, std::memory_order_relaxed))
    return true;
  slabs_.reap(bad);
  chunks_.purge(delay_ns, now);
  runs_.purge(delay_ns, now);
  large_.purge(delay_ns, now);
  return true;
}

void MemoryManager::before_fork() noexcept {
  slabs_.lock_all();
  runs_.lock().lock();
  chunks_.lock().lock();
  large_.lock().lock();
  metadata_.lock().lock();
}

void MemoryManager::after_fork_in_parent() noexcept {
  metadata_.lock().unlock();
  large_.lock().unlock();
  chunks_.lock().unlock();
  runs_.lock().unlock();
  slabs_.unlock_all();
}

void MemoryManager::after_fork_in_child(const ThreadCache* own) noexcept {
  after_fork_in_parent();
  slabs_.adopt_after_fork(own);
}

}  // namespace sqlitemem
