// Limits found on trees as real systems have them: Debian, Docker, Kubernetes, hybrid hosts.
#include "allocators/pressure/memory_limits.h"
#include "tests/support/catch.h"
#include "tests/support/fake_root.h"
#include "tests/support/limit_readings.h"

using namespace sqlitemem;
using tests::FakeRoot;
using tests::read_once;

namespace {

/// 16 GiB, of which 12 are available; the process has 1000 pages.
void write_host(const FakeRoot& root) {
  root.write("/proc/meminfo",
             "MemTotal:       16777216 kB\nMemFree:         2097152 kB\n"
             "MemAvailable:   12582912 kB\nBuffers:          100000 kB\n");
  root.write("/proc/self/statm", "9000 1000 300 5 0 700 0\n");
}

const LimitReading* find(const LimitReadings& readings, std::string_view name) {
  for (const LimitReading& reading : readings.all) {
    if (reading.name == name) return &reading;
  }
  return nullptr;
}

std::size_t count(const LimitReadings& readings, LimitSource source) {
  return static_cast<std::size_t>(std::ranges::count(readings.all, source, &LimitReading::source));
}

constexpr const char* second_at_usual_place =
    "24 1 0:22 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"
    "30 24 0:27 / /sys/fs/cgroup rw,nosuid,nodev shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

}  // namespace

TEST_CASE("LimitReader: Debian, a systemd service with MemoryMax", "[pressure][limits]") {
  const FakeRoot root;
  write_host(root);
  root.write("/proc/self/cgroup", "0::/system.slice/shop.service\n");
  root.write("/proc/self/mountinfo", second_at_usual_place);
  const std::string service = "/sys/fs/cgroup/system.slice/shop.service";
  root.write(service + "/memory.max", "536870912\n");
  root.write(service + "/memory.high", "max\n");
  root.write(service + "/memory.current", "400000000\n");
  root.write(service + "/memory.stat",
             "anon 250000000\nfile 150000000\ninactive_anon 1\nactive_anon 2\n"
             "inactive_file 100000000\nactive_file 50000000\n");
  root.write(service + "/memory.pressure",
             "some avg10=1.25 avg60=0.40 avg300=0.10 total=12345\n"
             "full avg10=0.50 avg60=0.10 avg300=0.00 total=2345\n");
  root.write("/sys/fs/cgroup/system.slice/memory.max", "max\n");
  root.write("/sys/fs/cgroup/system.slice/memory.high", "max\n");
  root.write("/sys/fs/cgroup/system.slice/memory.current", "900000000\n");
  root.write("/proc/pressure/memory", "some avg10=9.00 avg60=0 avg300=0 total=1\n");
  const LimitReadings readings = read_once(root);
  REQUIRE(readings.tightest() != nullptr);
  CHECK(readings.tightest()->source == LimitSource::cgroup);
  CHECK(readings.tightest()->name == service + "/memory.max");
  CHECK(readings.tightest()->limit_bytes == 536870912u);
  CHECK(readings.tightest()->used_bytes == 300000000u);
  CHECK(readings.tightest()->file_bytes == 50000000u);
  CHECK(count(readings, LimitSource::cgroup) == 1);
  CHECK(readings.psi_some_avg10 == 1.25);
  CHECK(readings.psi_full_avg10 == 0.5);
  CHECK(readings.note.empty());
}

TEST_CASE("LimitReader: of nested groups the one with the least room counts, high below max",
          "[pressure][limits]") {
  const FakeRoot root;
  write_host(root);
  root.write("/proc/self/cgroup", "0::/user.slice/app.slice/job.scope\n");
  root.write("/proc/self/mountinfo", second_at_usual_place);
  const std::string slice = "/sys/fs/cgroup/user.slice";
  root.write(slice + "/app.slice/job.scope/memory.max", "1000000\n");
  root.write(slice + "/app.slice/job.scope/memory.high", "900000\n");
  root.write(slice + "/app.slice/job.scope/memory.current", "500000\n");
  root.write(slice + "/app.slice/memory.max", "max\n");
  root.write(slice + "/app.slice/memory.high", "3000000\n");
  root.write(slice + "/app.slice/memory.current", "2900000\n");
  root.write(slice + "/memory.max", "8000000\n");
  root.write(slice + "/memory.high", "max\n");
  root.write(slice + "/memory.current", "3500000\n");
  const LimitReadings readings = read_once(root);
  CHECK(count(readings, LimitSource::cgroup) == 4);
  REQUIRE(readings.tightest() != nullptr);
  // 100 kB are left there, 400 kB in the process's own group.
  CHECK(readings.tightest()->name == slice + "/app.slice/memory.high");
  CHECK(readings.tightest()->headroom_bytes() == 100000u);
  // The least limit is another question.
  CHECK(least_group_limit(root.path()) == 900000u);
}

TEST_CASE("LimitReader: Docker on version 1 mounts the container's group as the root",
          "[pressure][limits]") {
  const FakeRoot root;
  write_host(root);
  root.write("/proc/self/cgroup",
             "11:pids:/docker/4f2a\n9:memory:/docker/4f2a\n1:name=systemd:/docker/4f2a\n"
             "0::/system.slice/containerd.service\n");
  root.write("/proc/self/mountinfo",
             "700 690 0:30 /docker/4f2a /sys/fs/cgroup/pids ro master:11 - cgroup cgroup rw,pids\n"
             "701 690 0:31 /docker/4f2a /sys/fs/cgroup/memory ro,nosuid master:15 - cgroup cgroup "
             "rw,memory\n");
  root.write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n");
  root.write("/sys/fs/cgroup/memory/memory.usage_in_bytes", "200000000\n");
  root.write("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes", "536870912\n");
  root.write("/sys/fs/cgroup/memory/memory.memsw.usage_in_bytes", "530000000\n");
  root.write("/sys/fs/cgroup/memory/memory.use_hierarchy", "1\n");
  root.write("/sys/fs/cgroup/memory/memory.stat",
             "cache 1\nactive_file 1\ninactive_file 2\nhierarchical_memory_limit 268435456\n"
             "total_inactive_file 20000000\ntotal_active_file 3000000\n");
  const LimitReadings readings = read_once(root);
  const LimitReading* memory = find(readings, "/sys/fs/cgroup/memory/memory.limit_in_bytes");
  REQUIRE(memory != nullptr);
  CHECK(memory->used_bytes == 180000000u);
  CHECK(memory->file_bytes == 3000000u);
  // Memory and swap together are nearer to their limit.
  REQUIRE(readings.tightest() != nullptr);
  CHECK(readings.tightest()->name == "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes");
  CHECK(readings.tightest()->used_bytes == 510000000u);
  CHECK(count(readings, LimitSource::cgroup) == 2);
}

TEST_CASE("LimitReader: Docker on version 2 with a private namespace", "[pressure][limits]") {
  const FakeRoot root;
  write_host(root);
  root.write("/proc/self/cgroup", "0::/\n");
  root.write("/proc/self/mountinfo",
             "600 590 0:50 / / rw - overlay overlay rw\n"
             "612 600 0:28 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw,nsdelegate\n");
  root.write("/sys/fs/cgroup/memory.max", "100000000\n");
  root.write("/sys/fs/cgroup/memory.high", "max\n");
  root.write("/sys/fs/cgroup/memory.current", "60000000\n");
  const LimitReadings readings = read_once(root);
  REQUIRE(readings.tightest() != nullptr);
  CHECK(readings.tightest()->name == "/sys/fs/cgroup/memory.max");
  CHECK(readings.tightest()->used_bytes == 60000000u);
}

TEST_CASE("LimitReader: a Kubernetes pod, version 2, seen from its host", "[pressure][limits]") {
  const FakeRoot root;
  write_host(root);
  const std::string pod = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod7.slice";
  root.write("/proc/self/cgroup", "0::" + pod + "/cri-containerd-ab.scope\n");
  root.write("/proc/self/mountinfo", second_at_usual_place);
  const std::string directory = "/sys/fs/cgroup" + pod;
  root.write(directory + "/cri-containerd-ab.scope/memory.max", "max\n");
  root.write(directory + "/cri-containerd-ab.scope/memory.current", "40000000\n");
  root.write(directory + "/memory.max", "50000000\n");
  root.write(directory + "/memory.current", "45000000\n");
  root.write("/sys/fs/cgroup/kubepods.slice/memory.max", "15000000000\n");
  root.write("/sys/fs/cgroup/kubepods.slice/memory.current", "4000000000\n");
  const LimitReadings readings = read_once(root);
  REQUIRE(readings.tightest() != nullptr);
  CHECK(readings.tightest()->name == directory + "/memory.max");
  CHECK(count(readings, LimitSource::cgroup) == 2);
}

TEST_CASE("LimitReader: a Kubernetes pod, version 1, whose pod's limit cannot be seen",
          "[pressure][limits]") {
  const FakeRoot root;
  write_host(root);
  root.write("/proc/self/cgroup", "3:memory:/kubepods/burstable/pod7/ab\n");
  root.write("/proc/self/mountinfo",
             "701 690 0:31 /kubepods/burstable/pod7/ab /sys/fs/cgroup/memory ro - cgroup cgroup "
             "rw,memory\n");
  root.write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  root.write("/sys/fs/cgroup/memory/memory.usage_in_bytes", "30000000\n");
  root.write("/sys/fs/cgroup/memory/memory.stat",
             "hierarchical_memory_limit 50000000\ntotal_inactive_file 1000000\n");
  const LimitReadings readings = read_once(root);
  REQUIRE(readings.tightest() != nullptr);
  CHECK(readings.tightest()->name == "/sys/fs/cgroup/memory/memory.stat");
  CHECK(readings.tightest()->limit_bytes == 50000000u);
  CHECK(readings.tightest()->used_bytes == 29000000u);
  CHECK(least_group_limit(root.path()) == 50000000u);
}

TEST_CASE("LimitReader: a hybrid host, whose version 2 has no memory controller",
          "[pressure][limits]") {
  const FakeRoot root;
  write_host(root);
  root.write("/proc/self/cgroup", "4:memory:/tenant/a\n1:name=systemd:/\n0::/tenant\n");
  root.write("/proc/self/mountinfo",
             "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
             "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n");
  root.write("/sys/fs/cgroup/unified/tenant/cgroup.procs", "1\n");
  root.write("/sys/fs/cgroup/unified/tenant/memory.pressure",
             "some avg10=3.00 avg60=0.00 avg300=0.00 total=0\n"
             "full avg10=2.00 avg60=0.00 avg300=0.00 total=0\n");
  root.write("/sys/fs/cgroup/memory/tenant/a/memory.limit_in_bytes", "9223372036854771712\n");
  root.write("/sys/fs/cgroup/memory/tenant/a/memory.usage_in_bytes", "1000000\n");
  root.write("/sys/fs/cgroup/memory/tenant/memory.limit_in_bytes", "7000000\n");
  root.write("/sys/fs/cgroup/memory/tenant/memory.usage_in_bytes", "2000000\n");
  SECTION("its limits are those of version 1, its pressure that of version 2") {
    const LimitReadings readings = read_once(root);
    REQUIRE(readings.tightest() != nullptr);
    CHECK(readings.tightest()->name == "/sys/fs/cgroup/memory/tenant/memory.limit_in_bytes");
    CHECK(readings.tightest()->used_bytes == 2000000u);
    CHECK(readings.psi_some_avg10 == 3.0);
    CHECK(readings.note.empty());
  }
  SECTION("a group above that does not count those below it (use_hierarchy 0) limits nothing") {
    root.write("/sys/fs/cgroup/memory/tenant/memory.use_hierarchy", "0\n");
    CHECK(count(read_once(root), LimitSource::cgroup) == 0);
  }
}

TEST_CASE("LimitReader: mount points with blanks, and only a part of the hierarchy mounted",
          "[pressure][limits]") {
  const FakeRoot root;
  write_host(root);
  root.write("/proc/self/cgroup", "0::/a/b/c\n");
  SECTION("the group is beneath what is mounted") {
    root.write("/proc/self/mountinfo", "9 1 0:9 /a /mnt/my\\040groups rw - cgroup2 none rw\n");
    root.write("/mnt/my groups/b/c/memory.max", "5000\n");
    root.write("/mnt/my groups/b/c/memory.current", "100\n");
    const LimitReadings readings = read_once(root);
    REQUIRE(readings.tightest() != nullptr);
    CHECK(readings.tightest()->name == "/mnt/my groups/b/c/memory.max");
  }
  SECTION("of two mounts the one that shows more is taken") {
    root.write("/proc/self/mountinfo",
               "9 1 0:9 /a/b /mnt/part rw - cgroup2 none rw\n"
               "10 1 0:9 / /mnt/whole rw - cgroup2 none rw\n");
    root.write("/mnt/part/c/memory.max", "5000\n");
    root.write("/mnt/part/c/memory.current", "100\n");
    root.write("/mnt/whole/a/memory.max", "200\n");
    root.write("/mnt/whole/a/memory.current", "100\n");
    const LimitReadings readings = read_once(root);
    REQUIRE(readings.tightest() != nullptr);
    CHECK(readings.tightest()->name == "/mnt/whole/a/memory.max");
  }
  SECTION("a group outside of the own namespace leads nowhere else") {
    root.write("/proc/self/cgroup", "0::/../other\n");
    root.write("/proc/self/mountinfo", "9 1 0:9 / /mnt/groups rw - cgroup2 none rw\n");
    root.write("/mnt/other/memory.max", "10\n");
    root.write("/mnt/other/memory.current", "1\n");
    const LimitReadings readings = read_once(root);
    CHECK(count(readings, LimitSource::cgroup) == 0);
    CHECK_THAT(readings.note, Catch::Contains("No memory files under /mnt/groups"));
  }
}
