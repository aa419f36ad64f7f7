// Buffers that grow by realloc: one alone, eight in turn, and large ones.
#include <array>

#include "bench/allocator/tests.h"
#include "bench/allocator/touch.h"
#include "bench/support/clock.h"

namespace sqlitemem::bench {
namespace {

struct Growth {
  std::size_t from_bytes, to_bytes;
  double factor;
  std::size_t buffers;      ///< Grown in turn, so that none can always extend in place.
  bool touches_every_page;  ///< Else only the first and the last byte of what was added.
};

constexpr std::size_t most_buffers = 8;

// A lone buffer at the end of glibc's heap grows in place at no cost, which a program with other
// allocations in between hardly ever sees: hence the variants with several buffers.

/// Grows all buffers to the end once; returns the number of resize calls.
std::uint64_t grow_once(const Subject& subject, const Growth& growth) {
  std::array<void*, most_buffers> buffers{};
  std::uint64_t calls = 0;
  std::size_t held = 0;
  for (std::size_t bytes = growth.from_bytes; held < growth.to_bytes;
       bytes = static_cast<std::size_t>(static_cast<double>(bytes) * growth.factor)) {
    bytes = bytes < growth.to_bytes ? bytes : growth.to_bytes;
    for (std::size_t i = 0; i < growth.buffers; ++i, ++calls) {
      buffers[i] = subject.resize(buffers[i], bytes);
      auto* content = static_cast<volatile unsigned char*>(buffers[i]);
      content[held] = 1;
      content[bytes - 1] = 1;
      if (growth.touches_every_page) touch_pages(buffers[i], held, bytes);
    }
    held = bytes;
  }
  for (std::size_t i = 0; i < growth.buffers; ++i) subject.release(buffers[i]);
  return calls;
}

void measure_growth(const TestRun& run, std::string_view name, const Growth& growth,
                    std::uint64_t times) {
  grow_once(run.subject, growth);
  std::uint64_t calls = 0;
  const std::uint64_t started = thread_cpu_ns();
  for (std::uint64_t i = 0; i < times; ++i) calls += grow_once(run.subject, growth);
  emit(name, static_cast<double>(thread_cpu_ns() - started) / static_cast<double>(calls));
}

constexpr Growth small{.from_bytes = 64,
                       .to_bytes = 64u << 10,
                       .factor = 1.5,
                       .buffers = 1,
                       .touches_every_page = false};
constexpr Growth large{.from_bytes = 64u << 10,
                       .to_bytes = 16u << 20,
                       .factor = 1.25,
                       .buffers = 1,
                       .touches_every_page = false};

constexpr Growth with_buffers(Growth growth, std::size_t buffers) {
  growth.buffers = buffers;
  return growth;
}
constexpr Growth with_every_page(Growth growth) {
  growth.touches_every_page = true;
  return growth;
}

}  // namespace

void test_growth_alone(const TestRun& run, std::string_view name) {
  measure_growth(run, name, small, run.scaled(20'000));
}
void test_growth_of_eight(const TestRun& run, std::string_view name) {
  measure_growth(run, name, with_buffers(small, most_buffers), run.scaled(2'000));
}
void test_large_growth(const TestRun& run, std::string_view name) {
  measure_growth(run, name, large, run.scaled(40));
}
void test_large_growth_of_two(const TestRun& run, std::string_view name) {
  measure_growth(run, name, with_buffers(large, 2), run.scaled(20));
}
void test_large_growth_touched(const TestRun& run, std::string_view name) {
  measure_growth(run, name, with_every_page(large), run.scaled(20));
}

}  // namespace sqlitemem::bench
