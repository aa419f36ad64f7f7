// A reading of limits for which there is no memory leaves the previous one. Not in sanitizer
// builds, whose operator new must stay theirs.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#include <cstdlib>
#include <new>

#include "allocators/pressure/memory_limits.h"
#include "tests/support/catch.h"
#include "tests/support/fake_root.h"

namespace {

/// The n-th request of this thread from now on is refused, once; negative: none.
thread_local long requests_until_refusal = -1;

void* take(std::size_t bytes) {
  void* const block = requests_until_refusal >= 0 && requests_until_refusal-- == 0
                          ? nullptr
                          : std::malloc(bytes == 0 ? 1 : bytes);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

}  // namespace

void* operator new(std::size_t bytes) { return take(bytes); }
void* operator new[](std::size_t bytes) { return take(bytes); }
void operator delete(void* block) noexcept { std::free(block); }
void operator delete[](void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
void operator delete[](void* block, std::size_t) noexcept { std::free(block); }

TEST_CASE("LimitReader: whichever request for memory fails, the previous reading stays whole",
          "[pressure][limits][faults]") {
  using namespace sqlitemem;
  const tests::FakeRoot root;
  root.write("/proc/meminfo", "MemTotal: 1048576 kB\nMemAvailable: 524288 kB\n");
  root.write("/proc/self/statm", "9000 1000 300 5 0 700 0\n");
  root.write("/proc/self/cgroup", "0::/system.slice/a-service-with-a-long-name.service\n");
  root.write("/proc/self/mountinfo", "9 1 0:9 / /sys/fs/cgroup rw - cgroup2 none rw\n");
  const std::string group = "/sys/fs/cgroup/system.slice/a-service-with-a-long-name.service";
  root.write(group + "/memory.max", "many\n");
  root.write(group + "/memory.high", "5000\n");
  root.write(group + "/memory.current", "1000\n");
  LimitReader reader(root.path(), []() noexcept { return ResourceLimits{}; });
  std::uint64_t now_ns = 1;
  const LimitReadings before = reader.read({}, now_ns);
  std::uint64_t last_bytes = 1000;
  long failures = 0, previous_readings = 0;
  for (bool was_refused = true; was_refused; failures++) {
    REQUIRE(failures < 1000);
    const auto current_bytes = static_cast<std::uint64_t>(2000 + failures);
    root.write(group + "/memory.current", std::to_string(current_bytes) + "\n");
    now_ns += LimitReader::discovery_interval_ns;
    requests_until_refusal = failures;
    const LimitReadings& now = reader.read({}, now_ns);
    was_refused = requests_until_refusal < 0;
    requests_until_refusal = -1;
    REQUIRE(now.all.size() == before.all.size());
    REQUIRE(now.note == before.note);
    REQUIRE(now.resident_bytes == before.resident_bytes);
    // A refused sort buffer is done without.
    const std::uint64_t used_bytes = now.tightest()->used_bytes;
    REQUIRE((used_bytes == current_bytes || (was_refused && used_bytes == last_bytes)));
    previous_readings += used_bytes == last_bytes ? 1 : 0;
    last_bytes = used_bytes;
  }
  CHECK(previous_readings > 20);
}
#endif
