// 64 MB live in the sizes that SQLite asks for, with random lifetimes: time, and memory against
// live bytes.
#include <string>

#include "bench/allocator/request_mix.h"
#include "bench/allocator/tests.h"
#include "bench/allocator/touch.h"
#include "bench/support/clock.h"
#include "bench/support/plain_array.h"
#include "bench/support/resident.h"

namespace sqlitemem::bench {
namespace {

constexpr std::uint64_t live_bytes_wanted = 64u << 20;
constexpr std::size_t most_slots = 100'000;

/// One replacement: the block in `slot` is freed and a new one of `bytes` takes its place.
struct Step {
  std::uint32_t slot, bytes;
};

struct Block {
  void* memory;
  std::uint64_t bytes;
};

/// All blocks alive, with the sum of what was asked for.
class LiveSet {
 public:
  explicit LiveSet(const Subject& subject) : subject_(subject), blocks_(most_slots) {}

  void fill(Random& random) {
    while (live_bytes_ < live_bytes_wanted && slots_ < most_slots) {
      place(blocks_[slots_++], next_mix_size(random));
    }
  }
  void replay(std::span<const Step> steps) {
    const auto allocate = subject_.allocate;
    const auto release = subject_.release;
    for (const Step& step : steps) {
      Block& block = blocks_[step.slot];
      release(block.memory);
      live_bytes_ += step.bytes - block.bytes;
      block = {allocate(step.bytes), step.bytes};
      touch_block(block.memory, step.bytes, step.slot);
    }
  }
  void free_nine_of_ten(Random& random) {
    for (Block& block : blocks_.all().first(slots_)) {
      if (random.below(10) == 0) continue;
      subject_.release(block.memory);
      live_bytes_ -= block.bytes;
      block = {nullptr, 0};
    }
  }
  [[nodiscard]] std::uint32_t slots() const { return static_cast<std::uint32_t>(slots_); }
  [[nodiscard]] double live_bytes() const { return static_cast<double>(live_bytes_); }

 private:
  void place(Block& block, std::uint32_t bytes) {
    block = {subject_.allocate(bytes), bytes};
    touch_block(block.memory, bytes, slots_);
    live_bytes_ += bytes;
  }

  const Subject& subject_;
  PlainArray<Block> blocks_;
  std::size_t slots_ = 0;
  std::uint64_t live_bytes_ = 0;
};

void draw_steps(PlainArray<Step>& steps, std::uint32_t slots, Random& random) {
  for (Step& step : steps.all()) step = {random.below(slots), next_mix_size(random)};
}

/// Growth of resident memory since `before`, per byte that is alive.
double held_per_live_byte(std::uint64_t before, const LiveSet& live) {
  return (static_cast<double>(resident_bytes()) - static_cast<double>(before)) / live.live_bytes();
}

}  // namespace

void test_size_mix(const TestRun& run, std::string_view name) {
  // Each slot is replaced ten times untimed: the shape of a heap settles slowly.
  PlainArray<Step> settling(run.scaled(500'000)), timed(run.scaled(1'000'000));
  LiveSet live(run.subject);
  Random random(11);
  const std::uint64_t before = resident_bytes();
  live.fill(random);
  draw_steps(settling, live.slots(), random);
  draw_steps(timed, live.slots(), random);
  live.replay(settling.all());
  const std::uint64_t started = thread_cpu_ns();
  live.replay(timed.all());
  const double spent_ns = static_cast<double>(thread_cpu_ns() - started);
  const std::string prefix(name);
  emit(name, spent_ns / static_cast<double>(timed.size()));
  emit(prefix + "_rss_per_live", held_per_live_byte(before, live));
  live.free_nine_of_ten(random);
  emit(prefix + "_rss_per_live_after_90_percent_freed", held_per_live_byte(before, live));
  const std::uint64_t purge_started = thread_cpu_ns();
  run.subject.purge();
  emit(prefix + "_purge_ms", static_cast<double>(thread_cpu_ns() - purge_started) / 1e6);
  emit(prefix + "_rss_per_live_after_purge", held_per_live_byte(before, live));
}

void test_mix_instructions(const TestRun& run, std::string_view) {
  // The same steps again and again: drawing them would cost as much as replaying them.
  PlainArray<Step> steps(10'000);
  LiveSet live(run.subject);
  Random random(11);
  live.fill(random);
  draw_steps(steps, live.slots(), random);
  for (std::uint64_t i = 0; i < run.count; i += steps.size()) live.replay(steps.all());
}

}  // namespace sqlitemem::bench
