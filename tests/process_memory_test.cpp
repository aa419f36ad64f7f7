// What /proc and the control group say, read from fake trees, and once from the real one.
#include "allocators/stats/process_memory.h"

#include <unistd.h>

#include <fstream>

#include "tests/support/catch.h"
#include "tests/support/fake_root.h"

using namespace sqlitemem::stats;
using sqlitemem::tests::FakeRoot;

namespace {

constexpr const char* proc_status =
    "Name:\tshell\nVmPeak:\t  900 kB\nVmSize:\t  800 kB\nVmHWM:\t  300 kB\nVmRSS:\t  190 kB\n"
    "RssAnon:\t  120 kB\nRssFile:\t   60 kB\nRssShmem:\t   10 kB\nVmSwap:\t    5 kB\n";

}  // namespace

TEST_CASE("process memory: smaps_rollup wins over statm, status has the rest", "[stats][process]") {
  const FakeRoot root;
  root.write("/proc/self/smaps_rollup", "55-77 ---p 0 0 0 [rollup]\nRss:     200 kB\nPss: 9 kB\n");
  root.write("/proc/self/statm", "200 40 15 1 0 30 0\n");
  root.write("/proc/self/status", proc_status);
  const ProcessMemory memory = read_process_memory(root.path());
  CHECK(memory.resident_bytes == 200u * 1024);
  CHECK(memory.resident_source == "smaps_rollup");
  CHECK(memory.peak_resident_bytes == 300u * 1024);
  CHECK(memory.virtual_bytes == 800u * 1024);
  CHECK(memory.peak_virtual_bytes == 900u * 1024);
  CHECK(memory.swapped_bytes == 5u * 1024);
  CHECK(memory.file_bytes == 60u * 1024);
  CHECK(memory.shared_bytes == 10u * 1024);
  CHECK(memory.problems.empty());
}

TEST_CASE("process memory: without smaps_rollup statm serves", "[stats][process]") {
  const FakeRoot root;
  root.write("/proc/self/statm", "200 40 15 1 0 30 0\n");
  root.write("/proc/self/status", proc_status);
  const ProcessMemory memory = read_process_memory(root.path());
  CHECK(memory.resident_bytes == 40u * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)));
  CHECK(memory.resident_source == "statm");
}

TEST_CASE("process memory: what cannot be read is unknown, and said", "[stats][process]") {
  const FakeRoot root;
  SECTION("no /proc at all") {
    const ProcessMemory memory = read_process_memory(root.path());
    CHECK_FALSE(memory.resident_bytes.has_value());
    CHECK_FALSE(memory.file_bytes.has_value());
    CHECK_THAT(memory.problems, Catch::Contains("statm") && Catch::Contains("status cannot"));
  }
  SECTION("an old kernel without RssFile") {
    root.write("/proc/self/statm", "200 40 15\n");
    root.write("/proc/self/status", "VmSize:\t 800 kB\n");
    const ProcessMemory memory = read_process_memory(root.path());
    CHECK_FALSE(memory.file_bytes.has_value());
    CHECK_THAT(memory.problems, Catch::Contains("RssFile"));
  }
  SECTION("garbage is not a number") {
    root.write("/proc/self/smaps_rollup", "Rss: many kB\n");
    root.write("/proc/self/statm", "garbage\n");
    root.write("/proc/self/status", "VmSize\nVmHWM: -5 kB\n");
    const ProcessMemory memory = read_process_memory(root.path());
    CHECK_FALSE(memory.resident_bytes.has_value());
    CHECK_FALSE(memory.virtual_bytes.has_value());
    CHECK_FALSE(memory.peak_resident_bytes.has_value());
  }
}

TEST_CASE("cgroup: version 2 shows the tightest limit above the process", "[stats][process]") {
  const FakeRoot root;
  root.write("/proc/self/cgroup", "0::/a/b\n");
  root.write("/sys/fs/cgroup/a/b/memory.current", "1000\n");
  root.write("/sys/fs/cgroup/a/b/memory.max", "max\n");
  root.write("/sys/fs/cgroup/a/memory.current", "5000\n");
  root.write("/sys/fs/cgroup/a/memory.max", "8000\n");
  root.write("/sys/fs/cgroup/a/memory.peak", "6000\n");
  const CgroupMemory memory = read_cgroup_memory(root.path());
  CHECK(memory.limit_bytes == 8000u);
  CHECK(memory.usage_bytes == 5000u);
  CHECK(memory.peak_bytes == 6000u);
  CHECK(memory.note == "Group /a, version 2.");
}

TEST_CASE("cgroup: without a limit the own group is shown", "[stats][process]") {
  const FakeRoot root;
  root.write("/proc/self/cgroup", "0::/a\n");
  root.write("/sys/fs/cgroup/a/memory.current", "1000\n");
  root.write("/sys/fs/cgroup/a/memory.max", "max\n");
  root.write("/sys/fs/cgroup/memory.current", "9999\n");
  const CgroupMemory memory = read_cgroup_memory(root.path());
  CHECK(memory.usage_bytes == 1000u);
  CHECK_FALSE(memory.limit_bytes.has_value());
  CHECK_THAT(memory.note, Catch::Contains("No limit"));
}

TEST_CASE("cgroup: version 1, seen from inside a container", "[stats][process]") {
  const FakeRoot root;
  root.write("/proc/self/cgroup", "5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n0::/docker/x\n");
  root.write("/sys/fs/cgroup/memory/memory.usage_in_bytes", "700\n");
  root.write("/sys/fs/cgroup/memory/memory.max_usage_in_bytes", "900\n");
  root.write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  CgroupMemory memory = read_cgroup_memory(root.path());
  CHECK(memory.usage_bytes == 700u);
  CHECK(memory.peak_bytes == 900u);
  CHECK_FALSE(memory.limit_bytes.has_value());
  root.write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "800\n");
  memory = read_cgroup_memory(root.path());
  CHECK(memory.limit_bytes == 800u);
  CHECK(memory.note == "Group /, version 1.");
}

TEST_CASE("cgroup: nothing there is said", "[stats][process]") {
  const FakeRoot root;
  CHECK_THAT(read_cgroup_memory(root.path()).note, Catch::Contains("cannot be read"));
  root.write("/proc/self/cgroup", "1:name=systemd:/\n");
  CHECK_THAT(read_cgroup_memory(root.path()).note, Catch::Contains("no group"));
  root.write("/proc/self/cgroup", "0::/gone\n");
  const CgroupMemory memory = read_cgroup_memory(root.path());
  CHECK_THAT(memory.note, Catch::Contains("No memory files"));
  CHECK_FALSE(memory.usage_bytes.has_value());
}

TEST_CASE("process memory: the real figures agree with statm", "[stats][process]") {
  const ProcessMemory memory = read_process_memory("");
  REQUIRE(memory.resident_bytes.has_value());
  std::uint64_t size_pages = 0, resident_pages = 0;
  std::ifstream("/proc/self/statm") >> size_pages >> resident_pages;
  const double by_statm =
      static_cast<double>(resident_pages) * static_cast<double>(::sysconf(_SC_PAGESIZE));
  // The kernel batches the counters behind statm per thread, 64 pages each.
  CHECK(static_cast<double>(*memory.resident_bytes) == Approx(by_statm).margin(2 << 20));
  CHECK(*memory.peak_resident_bytes + (2 << 20) >= *memory.resident_bytes);
}
