// Asks the sources, each part at most once.
#include "allocators/stats/reading.h"

#include <malloc.h>

#include <ctime>

#include "allocators/manager/process_arenas.h"
#include "allocators/stats/sources.h"

namespace sqlitemem::stats {
namespace {

/// The clock of LargeObjectInfo::allocated_at_ns.
std::uint64_t coarse_now_ns() {
  std::timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

CLibraryMemory read_c_library_memory() {
  CLibraryMemory memory;
#if defined(__GLIBC__) && (__GLIBC__ > 2 || (__GLIBC__ == 2 && __GLIBC_MINOR__ >= 33))
  const struct mallinfo2 info = ::mallinfo2();
  // Another malloc in its place answers 0: then nothing is known.
  if (info.arena + info.hblkhd > 0) {
    memory.used_bytes = info.uordblks + info.hblkhd;
    memory.held_bytes = info.arena + info.hblkhd;
    memory.reclaimable_bytes = info.keepcost;
  }
#endif
  return memory;
}

const HeapReading* Reading::heap() {
  if (!is_heap_read_) {
    if (MemoryManager* heap = sources_.heap()) {
      HeapReading reading;
      // The limit counts the pool's pages, too; the heap's own share is the rest.
      BufferPool* pool = sources_.pool();
      reading.figures = read_heap(*heap, pool == nullptr ? 0 : pool->totals().held_bytes);
      reading.large_objects = heap->large_objects();
      reading.taken_at_ns = coarse_now_ns();
      heap_ = std::move(reading);
    }
    is_heap_read_ = true;
  }
  return heap_ ? &*heap_ : nullptr;
}

const PoolReading* Reading::pool() {
  if (!is_pool_read_) {
    if (BufferPool* pool = sources_.pool()) {
      PoolReading reading;
      // Asking the connections first: it may be what tells whose a cache is.
      reading.owners = sources_.cache_owners();
      reading.caches = pool->caches();
      reading.totals = pool->totals();
      reading.advice = pool->advice();
      reading.legacy = sources_.legacy_caches();
      reading.taken_at_ns = coarse_now_ns();
      pool_ = std::move(reading);
    }
    is_pool_read_ = true;
  }
  return pool_ ? &*pool_ : nullptr;
}

const ArenasReading* Reading::arenas() {
  if (!are_arenas_read_) {
    if (ArenaDirectory* arenas = sources_.arenas()) {
      arenas_ = ArenasReading{arenas->read(area_of_chunk), coarse_now_ns()};
    }
    are_arenas_read_ = true;
  }
  return arenas_ ? &*arenas_ : nullptr;
}

const std::vector<RequestPattern>& Reading::request_patterns() {
  if (!request_patterns_) {
    MemoryManager* heap = sources_.heap();
    request_patterns_ = heap == nullptr ? std::vector<RequestPattern>{} : heap->request_patterns();
  }
  return *request_patterns_;
}

const std::vector<ConnectionMemoryRow>& Reading::connections() {
  if (!connections_) connections_ = sources_.connections();
  return *connections_;
}

const std::vector<OpenTransactionsRow>& Reading::transactions() {
  if (!transactions_) transactions_ = sources_.transactions();
  return *transactions_;
}

const std::vector<WalStatsRow>& Reading::logs() {
  if (!logs_) logs_ = sources_.wal_databases();
  return *logs_;
}

const LibraryFigures& Reading::sqlite_figures() {
  if (!library_) library_ = sources_.sqlite_figures();
  return *library_;
}

const PlanReading& Reading::plans() {
  if (!plans_) plans_ = sources_.plans();
  return *plans_;
}

const PressureReading* Reading::pressure() {
  if (!is_pressure_read_) pressure_ = sources_.pressure(), is_pressure_read_ = true;
  return pressure_ ? &*pressure_ : nullptr;
}

const std::vector<AreaFill>& Reading::fill_maps() {
  if (!fill_maps_) {
    MemoryManager* heap = sources_.heap();
    fill_maps_ = heap == nullptr ? std::vector<AreaFill>{} : heap->fill_maps(most_fill_cells);
    if (BufferPool* pool = sources_.pool())
      fill_maps_->push_back({"pool", pool->fill_map(most_fill_cells)});
  }
  return *fill_maps_;
}

const ResidentReading& Reading::resident() {
  if (!resident_) {
    ResidentReading reading;
    reading.process = read_process_memory(sources_.file_root());
    if (MemoryManager* heap = sources_.heap()) reading.heap = heap->resident();
    if (BufferPool* pool = sources_.pool()) reading.pool = pool->resident();
    reading.c_library = read_c_library_memory();
    reading.group = read_cgroup_memory(sources_.file_root());
    resident_ = std::move(reading);
  }
  return *resident_;
}

}  // namespace sqlitemem::stats
