// One thread allocates, another frees: batches of 512 blocks change hands.
#include <semaphore.h>

#include <array>
#include <thread>

#include "bench/allocator/tests.h"
#include "bench/allocator/touch.h"
#include "bench/support/clock.h"
#include "bench/support/random.h"

namespace sqlitemem::bench {
namespace {

constexpr std::size_t batch_blocks = 512;
constexpr std::size_t batches_in_flight = 8;

/// A ring of batches between two threads. Waiting sleeps on a semaphore and is not part of the
/// measured time: only the calls of the allocator are compared, not the queue.
struct Ring {
  std::array<std::array<void*, batch_blocks>, batches_in_flight> batches{};
  sem_t empty{}, full{};

  Ring() {
    sem_init(&empty, 0, batches_in_flight);
    sem_init(&full, 0, 0);
  }
};

void wait(sem_t& semaphore) {
  while (sem_wait(&semaphore) != 0) {
  }
}

/// CPU time that this thread spends in `work`, over all batches.
template <class Work>
std::uint64_t time_batches(std::uint64_t batches, sem_t& take, sem_t& give, const Work& work) {
  std::uint64_t spent_ns = 0;
  for (std::uint64_t i = 0; i < batches; ++i) {
    wait(take);
    const std::uint64_t started = thread_cpu_ns();
    work(i % batches_in_flight);
    spent_ns += thread_cpu_ns() - started;
    sem_post(&give);
  }
  return spent_ns;
}

std::uint64_t produce(const Subject& subject, Ring& ring, std::uint64_t batches) {
  Random random(17);
  return time_batches(batches, ring.empty, ring.full, [&](std::size_t which) {
    for (void*& block : ring.batches[which]) {
      block = subject.allocate(random.between(16, 1215));
      touch_first(block, which);
    }
  });
}

std::uint64_t consume(const Subject& subject, Ring& ring, std::uint64_t batches) {
  return time_batches(batches, ring.full, ring.empty, [&](std::size_t which) {
    for (void* block : ring.batches[which]) subject.release(block);
  });
}

}  // namespace

void test_handover(const TestRun& run, std::string_view name) {
  Ring ring;
  const std::uint64_t batches = run.scaled(6'000);
  std::uint64_t producer_ns = 0, consumer_ns = 0;
  {
    std::jthread consumer([&] { consumer_ns = consume(run.subject, ring, batches); });
    std::jthread producer([&] { producer_ns = produce(run.subject, ring, batches); });
  }
  const double blocks = static_cast<double>(batches * batch_blocks);
  emit(name, static_cast<double>(producer_ns + consumer_ns) / blocks);
}

}  // namespace sqlitemem::bench
