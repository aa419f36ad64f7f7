// What is compared with what, when limits are looked up again, and what is said of files that are
// missing, unreadable or malformed.
#include "allocators/pressure/memory_limits.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "allocators/base/bytes.h"
#include "allocators/base/clock.h"
#include "tests/support/catch.h"
#include "tests/support/fake_root.h"
#include "tests/support/limit_readings.h"

using namespace sqlitemem;
using tests::FakeRoot;
using tests::read_once;
using tests::without_resource_limits;

namespace {

const auto machine_page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));

ResourceLimits chosen_limits;
ResourceLimits chosen_resource_limits() noexcept { return chosen_limits; }

/// A host of 1 GiB, half of it available, and a process of 1000 pages in group /a with `limit`.
void write_system(const FakeRoot& root, const std::string& limit) {
  root.write("/proc/meminfo", "MemTotal: 1048576 kB\nMemFree: 1 kB\nMemAvailable: 524288 kB\n");
  root.write("/proc/self/statm", "9000 1000 300 5 0 700 0\n");
  root.write("/proc/self/status", "VmSize:\t  2000 kB\nVmData:\t  700 kB\n");
  root.write("/proc/self/cgroup", "0::/a\n");
  root.write("/proc/self/mountinfo", "9 1 0:9 / /sys/fs/cgroup rw - cgroup2 none rw\n");
  root.write("/sys/fs/cgroup/a/memory.max", limit);
  root.write("/sys/fs/cgroup/a/memory.current", "1000\n");
  root.write("/proc/pressure/memory",
             "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
             "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
}

const LimitReading* find(const LimitReadings& readings, LimitSource source) {
  const auto found = std::ranges::find(readings.all, source, &LimitReading::source);
  return found == readings.all.end() ? nullptr : &*found;
}

}  // namespace

TEST_CASE("LimitReader: the option is compared with what we hold", "[pressure][limits]") {
  const FakeRoot root;
  write_system(root, "max\n");
  const LimitReadings readings = read_once(root, {.held_bytes = 70, .limit_bytes = 100});
  REQUIRE(readings.tightest() != nullptr);
  CHECK(readings.tightest()->source == LimitSource::config);
  CHECK(readings.tightest()->used_bytes == 70u);
  CHECK(readings.tightest()->limit_bytes == 100u);
  CHECK(readings.tightest()->name == "option memory_limit");
  CHECK(find(read_once(root, {.held_bytes = 70}), LimitSource::config) == nullptr);
}

TEST_CASE("LimitReader: of limits that are passed, the one passed by most is the tightest",
          "[pressure][limits]") {
  const FakeRoot root;
  write_system(root, "900\n");
  const LimitReadings readings = read_once(root, {.held_bytes = 150, .limit_bytes = 100});
  REQUIRE(readings.tightest() != nullptr);
  CHECK(readings.tightest()->source == LimitSource::cgroup);
  CHECK(readings.tightest()->headroom_bytes() == 0);
}

TEST_CASE("LimitReader: file pages in use are used, but count as room", "[pressure][limits]") {
  const FakeRoot root;
  write_system(root, "1000000\n");
  root.write("/sys/fs/cgroup/a/memory.current", "990000\n");
  root.write("/sys/fs/cgroup/a/memory.stat", "inactive_file 10000\nactive_file 900000\n");
  const LimitReadings readings = read_once(root, {.held_bytes = 100000, .limit_bytes = 200000});
  const LimitReading* group = find(readings, LimitSource::cgroup);
  REQUIRE(group != nullptr);
  CHECK(group->used_bytes == 980000u);
  CHECK(group->headroom_bytes() == 920000u);
  REQUIRE(readings.tightest() != nullptr);
  CHECK(readings.tightest()->source == LimitSource::config);
}

TEST_CASE("LimitReader: the host lets the process grow by what is available",
          "[pressure][limits]") {
  const FakeRoot root;
  write_system(root, "max\n");
  const LimitReadings readings = read_once(root);
  const std::uint64_t resident = 1000 * machine_page_bytes;
  CHECK(readings.resident_bytes == resident);
  REQUIRE(readings.tightest() != nullptr);
  CHECK(readings.tightest()->source == LimitSource::host);
  CHECK(readings.tightest()->used_bytes == resident);
  CHECK(readings.tightest()->limit_bytes == 512 * mib + resident);
  SECTION("but not beyond its whole memory") {
    root.write("/proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 999 kB\n");
    CHECK(read_once(root).tightest()->limit_bytes == 1000 * kib);
  }
  SECTION("without statm the whole host is looked at, with the same room") {
    root.make_unreadable("/proc/self/statm");
    const LimitReadings whole = read_once(root);
    CHECK_FALSE(whole.resident_bytes.has_value());
    CHECK(whole.tightest()->limit_bytes == gib);
    CHECK(whole.tightest()->headroom_bytes() == 512 * mib);
    CHECK_THAT(whole.note, Catch::Contains("statm"));
  }
  SECTION("a kernel that does not say MemAvailable gets an estimate, and that is said") {
    root.write("/proc/meminfo",
               "MemTotal: 9000 kB\nMemFree: 100 kB\nBuffers: 20 kB\nCached: 50 kB\nShmem: 30 kB\n");
    const LimitReadings estimated = read_once(root);
    CHECK(estimated.tightest()->headroom_bytes() == 140 * kib);
    CHECK_THAT(estimated.note, Catch::Contains("MemAvailable"));
  }
  SECTION("garbage is no limit, and that is said") {
    root.write("/proc/meminfo", "MemTotal: lots\nMemAvailable: 5 kB\n");
    const LimitReadings none = read_once(root);
    CHECK(none.tightest() == nullptr);
    CHECK_THAT(none.note, Catch::Contains("meminfo"));
  }
}

TEST_CASE("LimitReader: RLIMIT_AS and RLIMIT_DATA are compared with VmSize and VmData",
          "[pressure][limits]") {
  const FakeRoot root;
  write_system(root, "max\n");
  chosen_limits = {.address_space_bytes = 3000 * kib, .data_bytes = 1000 * kib};
  LimitReader reader(root.path(), chosen_resource_limits);
  const LimitReadings readings = reader.read({.idle_reserved_bytes = 1500 * kib}, 1);
  REQUIRE(readings.tightest() != nullptr);
  CHECK(readings.tightest()->name == "RLIMIT_DATA");
  CHECK(readings.tightest()->used_bytes == 700 * kib);
  const LimitReading* space = find(readings, LimitSource::rlimit);
  REQUIRE(space != nullptr);
  CHECK(space->name == "RLIMIT_AS");
  CHECK(space->used_bytes == 2000 * kib);  // What we only reserved is lost to others as well.
  SECTION("lowered below what is mapped, RLIMIT_AS cannot mean what was reserved before") {
    chosen_limits.address_space_bytes = 1900 * kib;
    LimitReader later(root.path(), chosen_resource_limits);
    const LimitReadings lowered = later.read({.idle_reserved_bytes = 1500 * kib}, 1);
    const LimitReading* limit = find(lowered, LimitSource::rlimit);
    REQUIRE(limit != nullptr);
    CHECK(limit->used_bytes == 500 * kib);
  }
  SECTION("a status file without these lines is said") {
    root.write("/proc/self/status", "Name: x\n");
    const LimitReadings without = reader.read({}, 2);
    CHECK(find(without, LimitSource::rlimit) == nullptr);
    CHECK_THAT(without.note, Catch::Contains("VmSize") && Catch::Contains("VmData"));
  }
  SECTION("an unreadable one, too") {
    root.make_unreadable("/proc/self/status");
    const LimitReadings without = reader.read({}, 2);
    CHECK(find(without, LimitSource::rlimit) == nullptr);
    CHECK_THAT(without.note, Catch::Contains("status cannot be read"));
  }
}

TEST_CASE("LimitReader: usage is read each time, limits every ten seconds", "[pressure][limits]") {
  const FakeRoot root;
  write_system(root, "5000\n");
  LimitReader reader(root.path(), without_resource_limits);
  const OwnMemory own;
  CHECK(reader.read(own, ns_per_second).tightest()->limit_bytes == 5000u);
  root.write("/sys/fs/cgroup/a/memory.max", "4000\n");
  root.write("/sys/fs/cgroup/a/memory.current", "2000\n");
  CHECK(reader.read(own, 10 * ns_per_second).tightest()->limit_bytes == 5000u);
  CHECK(reader.read(own, 10 * ns_per_second).tightest()->used_bytes == 2000u);
  CHECK(reader.read(own, 11 * ns_per_second).tightest()->limit_bytes == 4000u);
  SECTION("a clock that went back makes nobody wait") {
    root.write("/sys/fs/cgroup/a/memory.max", "3000\n");
    CHECK(reader.read(own, 5 * ns_per_second).tightest()->limit_bytes == 3000u);
  }
  SECTION("a limit may be lifted") {
    root.write("/sys/fs/cgroup/a/memory.max", "max\n");
    CHECK(reader.read(own, 21 * ns_per_second).tightest()->source == LimitSource::host);
  }
}

TEST_CASE("LimitReader: a process that was moved to another group is found again at once",
          "[pressure][limits]") {
  const FakeRoot root;
  write_system(root, "5000\n");
  LimitReader reader(root.path(), without_resource_limits);
  CHECK(reader.read({}, ns_per_second).tightest()->limit_bytes == 5000u);
  root.remove("/sys/fs/cgroup/a");
  root.write("/proc/self/cgroup", "0::/b\n");
  root.write("/sys/fs/cgroup/b/memory.max", "6000\n");
  root.write("/sys/fs/cgroup/b/memory.current", "10\n");
  const LimitReadings& readings = reader.read({}, 2 * ns_per_second);
  CHECK(readings.tightest()->limit_bytes == 6000u);
  CHECK(readings.note.empty());
}

TEST_CASE("LimitReader: values that are no limit", "[pressure][limits]") {
  const FakeRoot root;
  SECTION("max and version 1's huge number say that there is none") {
    write_system(root, "max\n");
    CHECK(find(read_once(root), LimitSource::cgroup) == nullptr);
    CHECK(read_once(root).note.empty());
    write_system(root, "9223372036854771712\n");
    CHECK(find(read_once(root), LimitSource::cgroup) == nullptr);
    CHECK(read_once(root).note.empty());
  }
  SECTION("what cannot be understood is said") {
    const std::string text =
        GENERATE("", "0\n", "-5\n", "12 apples\n", "0x10\n", "99999999999999999999999\n");
    CAPTURE(text);
    write_system(root, text);
    const LimitReadings readings = read_once(root);
    CHECK(find(readings, LimitSource::cgroup) == nullptr);
    CHECK_THAT(readings.note, Catch::Contains("/sys/fs/cgroup/a/memory.max holds no limit"));
  }
  SECTION("what cannot be read is said, with the reason, and the other limits stay") {
    write_system(root, "5000\n");
    root.make_unreadable("/sys/fs/cgroup/a/memory.max");
    root.write("/sys/fs/cgroup/a/memory.high", "7000\n");
    const LimitReadings readings = read_once(root);
    REQUIRE(readings.tightest() != nullptr);
    CHECK(readings.tightest()->name == "/sys/fs/cgroup/a/memory.high");
    CHECK_THAT(readings.note, Catch::Contains("/sys/fs/cgroup/a/memory.max cannot be read: Is a"));
  }
  SECTION("a limit without usage is none") {
    write_system(root, "5000\n");
    root.write("/sys/fs/cgroup/a/memory.current", "many\n");
    const LimitReadings readings = read_once(root);
    CHECK(find(readings, LimitSource::cgroup) == nullptr);
    CHECK_THAT(readings.note, Catch::Contains("usage of /sys/fs/cgroup/a"));
  }
}

TEST_CASE("LimitReader: without control groups the other limits are found, and that is said",
          "[pressure][limits]") {
  const FakeRoot root;
  write_system(root, "5000\n");
  SECTION("nothing is mounted") {
    root.write("/proc/self/mountinfo", "1 0 8:1 / / rw - ext4 /dev/sda rw\n");
    CHECK_THAT(read_once(root).note, Catch::Contains("No hierarchy of control groups"));
  }
  SECTION("membership is not known") {
    root.remove("/proc/self/cgroup");
    CHECK_THAT(read_once(root).note, Catch::Contains("/proc/self/cgroup cannot be read"));
  }
  SECTION("the mounted hierarchy has no memory files") {
    root.remove("/sys/fs/cgroup/a");
    CHECK_THAT(read_once(root).note, Catch::Contains("No memory files"));
  }
  SECTION("lines that cannot be understood are passed over") {
    root.write("/proc/self/mountinfo", "\n - \n9 1 - cgroup2\nnonsense\n");
    root.write("/proc/self/cgroup", "\n:\n0:\nnonsense\n0::/a\n");
    CHECK(find(read_once(root), LimitSource::cgroup) == nullptr);
  }
  REQUIRE(read_once(root).tightest() != nullptr);
  CHECK(read_once(root).tightest()->source == LimitSource::host);
}

TEST_CASE("LimitReader: pressure stall information may be absent", "[pressure][limits]") {
  const FakeRoot root;
  write_system(root, "max\n");
  CHECK(read_once(root).psi_some_avg10 == 0.0);
  SECTION("without the file (Linux before 4.20)") { root.remove("/proc/pressure"); }
  SECTION("switched off: reading fails") { root.make_unreadable("/proc/pressure/memory"); }
  SECTION("malformed") { root.write("/proc/pressure/memory", "some avg10=lots\nfull avg10=-1\n"); }
  const LimitReadings readings = read_once(root);
  CHECK_FALSE(readings.psi_some_avg10.has_value());
  CHECK_FALSE(readings.psi_full_avg10.has_value());
  CHECK_THAT(readings.note, Catch::Contains("PSI"));
}

TEST_CASE("LimitReader: with nothing to read no limit is known, and errno stays",
          "[pressure][limits]") {
  const FakeRoot root;
  LimitReader reader(root.path(), without_resource_limits);
  errno = EXDEV;
  const LimitReadings& readings = reader.read({}, 1);
  CHECK(errno == EXDEV);
  CHECK(readings.tightest() == nullptr);
  CHECK_FALSE(readings.resident_bytes.has_value());
  CHECK_FALSE(readings.note.empty());
}

TEST_CASE("LimitReader: the real system agrees with an independent reading",
          "[pressure][limits][no_tsan]") {
  LimitReader reader("");
  const LimitReadings& readings = reader.read({.held_bytes = 1, .limit_bytes = 1ull << 40}, 1);
  const double resident = static_cast<double>(readings.resident_bytes.value());
  double pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  CHECK(resident == Approx(pages * static_cast<double>(machine_page_bytes)).margin(4 << 20));

  const LimitReading* host = find(readings, LimitSource::host);
  REQUIRE(host != nullptr);
  const double whole =
      static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(machine_page_bytes);
  CHECK(static_cast<double>(host->limit_bytes) <= whole * 1.001);
  CHECK(static_cast<double>(host->used_bytes) == resident);

  // A limit that limits nothing, for as long as this test runs.
  constexpr std::uint64_t generous = std::uint64_t{1} << 46;
  rlimit old{};
  REQUIRE(::getrlimit(RLIMIT_DATA, &old) == 0);
  if (old.rlim_max == RLIM_INFINITY) {
    rlimit limited = old;
    limited.rlim_cur = generous;
    REQUIRE(::setrlimit(RLIMIT_DATA, &limited) == 0);
    const LimitReadings with = LimitReader("").read({}, 1);
    REQUIRE(::setrlimit(RLIMIT_DATA, &old) == 0);
    const auto data = std::ranges::find(with.all, std::string("RLIMIT_DATA"), &LimitReading::name);
    REQUIRE(data != with.all.end());
    CHECK(data->limit_bytes == generous);
    CHECK(data->used_bytes > 0);
  }

  // Each group's limit is in the file that the reading names, and the process is in the group.
  for (const LimitReading& reading : readings.all) {
    if (reading.source != LimitSource::cgroup || reading.name.ends_with("memory.stat")) continue;
    CAPTURE(reading.name);
    std::uint64_t limit = 0;
    std::ifstream(reading.name) >> limit;
    CHECK(limit == reading.limit_bytes);
  }
}
