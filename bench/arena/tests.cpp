// The workers: whole transactions of small objects, rolled back at once or object by object.
#include "bench/arena/tests.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "allocators/arena/transaction_arenas.h"
#include "allocators/manager/process_heap.h"
#include "bench/support/clock.h"
#include "bench/support/emit.h"
#include "bench/support/random.h"

namespace sqlitemem::bench {
namespace {

class HeapChunks final : public ChunkSource {
 public:
  void* allocate(std::size_t bytes) noexcept override { return heap_allocate(bytes); }
  void release(void* block) noexcept override { heap_release(block); }
  std::size_t usable_bytes(void* block) noexcept override { return heap_usable_bytes(block); }
};

struct FromArena {
  ArenaDirectory directory;
  HeapChunks chunks;
  TransactionArenaManager memory{directory, chunks, 1};

  void begin() { memory.begin({}); }
  void* allocate(std::size_t bytes) { return memory.allocate(bytes); }
  void roll_back(const std::vector<void*>&) { memory.roll_back(); }
  [[nodiscard]] std::uint64_t held_bytes(const std::vector<void*>&) {
    return memory.reserved_bytes();
  }
};

struct FromHeap {
  void begin() {}
  void* allocate(std::size_t bytes) { return heap_allocate(bytes); }
  void roll_back(const std::vector<void*>& objects) {
    for (void* object : objects) heap_release(object);
  }
  [[nodiscard]] std::uint64_t held_bytes(const std::vector<void*>& objects) {
    std::uint64_t bytes = 0;
    for (const void* object : objects) bytes += heap_usable_bytes(object);
    return bytes;
  }
};

struct FromMalloc {
  void begin() {}
  void* allocate(std::size_t bytes) { return std::malloc(bytes); }
  void roll_back(const std::vector<void*>& objects) {
    for (void* object : objects) std::free(object);
  }
  [[nodiscard]] std::uint64_t held_bytes(const std::vector<void*>&) { return 0; }
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

template <class Subject>
void run(const ArenaTest& test, std::size_t repetitions) {
  if (start_process_heap() == MemoryManager::StartResult::no_address_space) std::exit(1);
  Random random(1);
  std::vector<std::size_t> sizes(test.objects);
  std::uint64_t asked = 0;
  for (std::size_t& bytes : sizes) asked += bytes = 8 + random.below(25) * 8;
  Subject subject;
  std::vector<void*> objects(test.objects);
  std::vector<double> allocation_ns, rollback_ns;
  double overhead = 0;
  for (std::size_t turn = 0; turn < repetitions + 2; ++turn) {
    subject.begin();
    const std::uint64_t start = thread_cpu_ns();
    for (std::size_t index = 0; index < sizes.size(); ++index) {
      objects[index] = subject.allocate(sizes[index]);
    }
    const std::uint64_t allocated = thread_cpu_ns();
    // The first transaction: it has what it took, not what others left.
    if (turn == 0) {
      overhead = static_cast<double>(subject.held_bytes(objects)) / static_cast<double>(asked) - 1;
    }
    const std::uint64_t rollback_from = wall_ns();
    subject.roll_back(objects);
    const std::uint64_t done = wall_ns();
    if (turn < 2) continue;
    allocation_ns.push_back(static_cast<double>(allocated - start) /
                            static_cast<double>(sizes.size()));
    rollback_ns.push_back(static_cast<double>(done - rollback_from));
  }
  emit(fmt::format("allocation_{}", test.name), median(allocation_ns));
  emit(fmt::format("rollback_{}", test.name), median(rollback_ns));
  if (overhead > 0) emit(fmt::format("overhead_{}", test.name), overhead);
}

}  // namespace

void run_arena_test(const ArenaTest& test, const Options& options) {
  const std::size_t repetitions =
      options.is_quick ? std::max<std::size_t>(3, test.repetitions / 10) : test.repetitions;
  if (options.subject == arena_subject) return run<FromArena>(test, repetitions);
  if (options.subject == heap_subject) return run<FromHeap>(test, repetitions);
  run<FromMalloc>(test, repetitions);
}

}  // namespace sqlitemem::bench
