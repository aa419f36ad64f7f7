// 64 large objects of 256 KiB to 8 MiB, replaced at random: time, and our own figures of
// fragmentation.
#include <string>

#include "bench/allocator/tests.h"
#include "bench/allocator/touch.h"
#include "bench/support/clock.h"
#include "bench/support/plain_array.h"
#include "bench/support/random.h"

namespace sqlitemem::bench {
namespace {

constexpr std::uint32_t live_objects = 64;
constexpr std::uint32_t smallest_bytes = 256u << 10;
constexpr std::uint32_t largest_bytes = 8u << 20;

/// Sizes above the slab threshold of 256 KiB, uniform, so that a mean object has about 4 MiB.
std::uint32_t next_large_size(Random& random) {
  return random.between(smallest_bytes + 1, largest_bytes);
}

class LargeChurn {
 public:
  LargeChurn(const Subject& subject, bool is_touched)
      : subject_(subject), is_touched_(is_touched), objects_(live_objects) {
    for (void*& object : objects_.all()) object = make();
  }
  void replace(std::uint64_t times) {
    for (std::uint64_t i = 0; i < times; ++i) {
      void*& object = objects_[random_.below(live_objects)];
      subject_.release(object);
      object = make();
    }
  }

 private:
  void* make() {
    const std::uint32_t bytes = next_large_size(random_);
    void* object = subject_.allocate(bytes);
    if (is_touched_) touch_pages(object, 0, bytes);
    return object;
  }

  const Subject& subject_;
  bool is_touched_;
  PlainArray<void*> objects_;
  Random random_{13};
};

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

/// Mean over further replacements, untimed: a single reading depends on how much happens to be
/// live.
double mean_fragmentation(const Subject& subject, LargeChurn& churn) {
  constexpr int readings = 200;
  double sum = 0;
  for (int i = 0; i < readings; ++i) {
    churn.replace(live_objects / 4);
    const LargeFigures now = subject.large();
    sum += 1 - share(now.requested_bytes, now.mapped_bytes);
  }
  return sum / readings;
}

void emit_our_figures(const std::string& prefix, const LargeFigures& now,
                      const LargeFigures& before) {
  emit(prefix + "_free_list_hit_ratio",
       share(now.free_list_hits - before.free_list_hits, now.allocations - before.allocations));
  emit(prefix + "_coalescing_efficiency", share(now.merged_frees - before.merged_frees,
                                                now.coalescible_frees - before.coalescible_frees));
  emit(prefix + "_largest_free_share", share(now.largest_free_bytes, now.free_bytes));
}

void run_churn(const TestRun& run, std::string_view name, bool is_touched,
               std::uint64_t replacements) {
  LargeChurn churn(run.subject, is_touched);
  churn.replace(live_objects * 10);
  const LargeFigures before = run.subject.large == nullptr ? LargeFigures{} : run.subject.large();
  const std::uint64_t started = thread_cpu_ns();
  churn.replace(replacements);
  const double spent_ns = static_cast<double>(thread_cpu_ns() - started);
  emit(name, spent_ns / static_cast<double>(replacements));
  if (run.subject.large != nullptr) {
    emit_our_figures(std::string(name), run.subject.large(), before);
    emit(std::string(name) + "_fragmentation", mean_fragmentation(run.subject, churn));
  }
}

}  // namespace

void test_large_churn_touched(const TestRun& run, std::string_view name) {
  run_churn(run, name, /*is_touched=*/true, run.scaled(4'000));
}

void test_large_churn_untouched(const TestRun& run, std::string_view name) {
  run_churn(run, name, /*is_touched=*/false, run.scaled(40'000));
}

}  // namespace sqlitemem::bench
