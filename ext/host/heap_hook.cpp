// xMalloc to xShutdown: thin calls into the process's heap, and the fork in the road for foreign
// blocks.
#include "ext/host/heap_hook.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <climits>
#include <cstring>
#include <string_view>

#include "allocators/manager/process_heap.h"
#include "ext/host/environment.h"
#include "ext/pressure/pressure_watch.h"

namespace sqlitemem::ext {
namespace {

// SQLite measures blocks in int. The largest usable size that fits, and is a multiple of 8.
constexpr std::size_t max_int_bytes = INT_MAX & ~std::size_t{7};

constinit sqlite3_mem_methods previous_heap{};
constinit std::atomic<void (*)(int, const char*, ...)> corruption_log{nullptr};
constinit std::atomic<void (*)() noexcept> init_observer{nullptr};
constinit std::atomic<bool> heap_in_force{false};
constinit std::atomic<bool> was_in_force{false};
constinit std::atomic<bool> is_forwarding{false};
// Set once the heap runs; nothing is ours before. Spares the hot path a call.
constinit std::atomic<MemoryManager*> running_heap{nullptr};
constinit std::atomic<std::int64_t> lent_bytes_now{0};
constinit std::atomic<std::int64_t> lent_objects_now{0};

void count_lent(std::int64_t bytes, std::int64_t objects) noexcept {
  lent_bytes_now.fetch_add(bytes, std::memory_order_relaxed);
  lent_objects_now.fetch_add(objects, std::memory_order_relaxed);
}

bool is_ours(const void* block) noexcept {
  const MemoryManager* heap = running_heap.load(std::memory_order_relaxed);
  return heap != nullptr && heap->owns(block);
}

/// Our region is full (which is not the limit): the previous allocator lends a block.
void* borrow(std::size_t bytes) noexcept {
  if (previous_heap.xMalloc == nullptr || bytes > max_int_bytes) return nullptr;
  // What is lent counts against the limits like what is ours.
  const auto lent = static_cast<std::uint64_t>(
      std::max<std::int64_t>(0, lent_bytes_now.load(std::memory_order_relaxed)));
  if (!process_heap().fits_limits(lent + bytes)) return nullptr;
  void* block = previous_heap.xMalloc(static_cast<int>(bytes));
  if (block != nullptr) count_lent(previous_heap.xSize(block), 1);
  return block;
}

void free_foreign(void* block) noexcept {
  count_lent(-previous_heap.xSize(block), -1);
  previous_heap.xFree(block);
}

/// The heap has refused. Without a heap, the previous allocator serves everything.
void* when_refused(std::size_t bytes) noexcept {
  return is_forwarding.load(std::memory_order_relaxed) ? borrow(bytes) : nullptr;
}

void* hook_malloc(int bytes) {
  if (bytes <= 0) return nullptr;
  void* block = heap_allocate(static_cast<std::size_t>(bytes));
  return block != nullptr ? block : when_refused(static_cast<std::size_t>(bytes));
}

void* hook_malloc_rounded(int bytes) {
  if (bytes <= 0) return nullptr;
  void* block = heap_allocate_rounded(static_cast<std::size_t>(bytes));
  return block != nullptr ? block : when_refused(static_cast<std::size_t>(bytes));
}

void hook_free(void* block) {
  if (is_ours(block)) [[likely]] {
    heap_release(block);
  } else if (block != nullptr) {
    free_foreign(block);
  }
}

/// A foreign block that grows moves to our heap: so the older memory of a live take-over drains
/// away.
void* adopt(void* block, std::size_t bytes) noexcept {
  void* ours = hook_malloc(static_cast<int>(bytes));
  if (ours == nullptr) return nullptr;  // Over the limit, or both allocators are full.
  std::memcpy(ours, block, std::min(bytes, static_cast<std::size_t>(previous_heap.xSize(block))));
  free_foreign(block);
  return ours;
}

void* hook_realloc(void* block, int bytes) {
  if (block == nullptr) return hook_malloc(bytes);
  if (bytes <= 0) {
    hook_free(block);
    return nullptr;
  }
  const auto wanted = static_cast<std::size_t>(bytes);
  if (is_ours(block)) [[likely]]
    return heap_resize(block, wanted);
  return adopt(block, wanted);
}

int hook_size(void* block) {
  if (is_ours(block)) [[likely]] {
    return static_cast<int>(std::min(heap_usable_bytes(block), max_int_bytes));
  }
  return block == nullptr ? 0 : previous_heap.xSize(block);
}

int hook_round_up(int bytes) {
  if (bytes <= 0) return bytes;
  if (running_heap.load(std::memory_order_relaxed) == nullptr) return previous_heap.xRoundup(bytes);
  return static_cast<int>(std::min(heap_round_up(static_cast<std::size_t>(bytes)), max_int_bytes));
}

int heap_hook_init(void*) {
  if (previous_heap.xInit != nullptr) {
    if (const int rc = previous_heap.xInit(previous_heap.pAppData); rc != SQLITE_OK) return rc;
  }
  const bool is_started = start_heap();
  is_forwarding.store(!is_started, std::memory_order_release);
  heap_in_force.store(is_started, std::memory_order_release);
  if (is_started) was_in_force.store(true, std::memory_order_release);
  if (const auto observe = init_observer.load(std::memory_order_acquire); observe) observe();
  return SQLITE_OK;
}

// The heap goes on: blocks may be freed until the last instruction of the process.
void heap_hook_shutdown(void*) {
  heap_in_force.store(false, std::memory_order_release);
  is_forwarding.store(false, std::memory_order_release);
  if (previous_heap.xShutdown != nullptr) previous_heap.xShutdown(previous_heap.pAppData);
}

constexpr sqlite3_mem_methods methods_with(void* (*allocate)(int)) {
  return {.xMalloc = allocate,
          .xFree = hook_free,
          .xRealloc = hook_realloc,
          .xSize = hook_size,
          .xRoundup = hook_round_up,
          .xInit = heap_hook_init,
          .xShutdown = heap_hook_shutdown,
          .pAppData = nullptr};
}
constexpr sqlite3_mem_methods plain_methods = methods_with(hook_malloc);
constexpr sqlite3_mem_methods rounding_methods = methods_with(hook_malloc_rounded);

constexpr const char* describe(CorruptionKind kind) noexcept {
  switch (kind) {
    case CorruptionKind::double_free:
      return "a block was freed twice";
    case CorruptionKind::not_a_block:
      return "a pointer that is no block was given back";
    case CorruptionKind::interior_pointer:
      return "a pointer into the middle of a block was given back";
  }
  return "the heap is damaged";
}

/// Runs on the freeing thread with no lock of ours held, before the heap aborts or goes on. SQLite
/// formats the text on its stack, which matters because the heap may be what is broken; the
/// program's log callback must not call SQLite.
void log_corruption(const CorruptionReport& report) noexcept {
  const auto log = corruption_log.load(std::memory_order_acquire);
  if (log == nullptr) return;
  std::array<char, 48> size_class{};
  if (report.object_bytes != 0) {
    fmt::format_to_n(size_class.data(), size_class.size() - 1, "size class {} bytes",
                     report.object_bytes);
  } else {  // Of a freed run or large object.
    constexpr std::string_view unknown = "size class unknown";
    unknown.copy(size_class.data(), unknown.size());
  }
  log(SQLITE_CORRUPT, "sqlitemem: %s: address 0x%llx, %s, broken rule: %.*s", describe(report.kind),
      static_cast<sqlite3_uint64>(report.address), size_class.data(),
      static_cast<int>(report.rule.size()), report.rule.data());
}

}  // namespace

const sqlite3_mem_methods& heap_methods(bool is_memstatus_off) noexcept {
  return is_memstatus_off ? plain_methods : rounding_methods;
}
bool is_our_table(const sqlite3_mem_methods& methods) noexcept {
  return (methods.xMalloc == hook_malloc || methods.xMalloc == hook_malloc_rounded) &&
         methods.xFree == hook_free && methods.xRealloc == hook_realloc &&
         methods.xSize == hook_size && methods.xRoundup == hook_round_up;
}
bool has_our_functions(const sqlite3_mem_methods& methods) noexcept {
  return methods.xFree == hook_free || methods.xInit == heap_hook_init;
}
bool heap_hook_is_forwarding() noexcept { return is_forwarding.load(std::memory_order_acquire); }

void set_previous_methods(const sqlite3_mem_methods& methods_before) noexcept {
  previous_heap = methods_before;
}
const sqlite3_mem_methods& previous_methods() noexcept { return previous_heap; }

void set_corruption_log(void (*log)(int, const char*, ...)) noexcept {
  corruption_log.store(log, std::memory_order_release);
}

bool start_heap() noexcept {
  read_environment_once();
  process_heap().set_corruption_handler(log_corruption);
  process_heap().set_overflow_handler(borrow);
  const auto result = start_process_heap();
  if (result != MemoryManager::StartResult::ok &&
      result != MemoryManager::StartResult::already_started) {
    return false;
  }
  running_heap.store(&process_heap(), std::memory_order_release);
  start_pressure_watch();
  return true;
}

bool heap_hook_in_force() noexcept { return heap_in_force.load(std::memory_order_acquire); }
bool heap_hook_was_in_force() noexcept { return was_in_force.load(std::memory_order_acquire); }

void set_init_observer(void (*observer)() noexcept) noexcept {
  init_observer.store(observer, std::memory_order_release);
}

void set_older_blocks(LentBlocks older) noexcept {
  lent_bytes_now.store(older.bytes, std::memory_order_relaxed);
  lent_objects_now.store(older.objects, std::memory_order_relaxed);
}

LentBlocks lent_blocks() noexcept {
  return {lent_bytes_now.load(std::memory_order_relaxed),
          lent_objects_now.load(std::memory_order_relaxed)};
}

}  // namespace sqlitemem::ext
