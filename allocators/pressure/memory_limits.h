// Which limits the process's memory has, how much of each is used, and which has the least room.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "allocators/base/bytes.h"
#include "allocators/pressure/cgroup.h"
#include "allocators/pressure/pressure_reading.h"

namespace sqlitemem {

/// A part of our address space that cannot grow: when it is full, requests fail.
struct OwnSpace {
  std::uint64_t held_bytes = 0, bytes = 0;  ///< bytes 0: there is none.
  const char* name = "";                    ///< A literal.
};

/// What the operating system cannot know of us. Bytes.
struct OwnMemory {
  std::uint64_t held_bytes = 0;   ///< What heap and buffer pool hold.
  std::uint64_t limit_bytes = 0;  ///< Option memory_limit; 0: none.
  /// Address space of ours that holds nothing: there is room in it without taking more.
  std::uint64_t idle_reserved_bytes = 0;
  std::uint64_t idle_committed_bytes = 0;  ///< The part of it that counts against RLIMIT_DATA.
  std::array<OwnSpace, 2> spaces{};        ///< Of the heap and of the buffer pool.
};

struct LimitReading {
  LimitSource source = LimitSource::none;
  std::uint64_t limit_bytes = 0;  ///< At least 1.
  std::uint64_t used_bytes = 0;   ///< In the limit's own terms; may be more than the limit.
  /// Of used_bytes: file pages in use. The kernel would drop them before it ran out, as it says in
  /// MemAvailable for the whole host, so they count as room.
  std::uint64_t file_bytes = 0;
  std::string name;  ///< The file or option that says so, "/sys/fs/cgroup/a/memory.max".

  [[nodiscard]] std::uint64_t headroom_bytes() const noexcept {
    return at_least_zero(limit_bytes, used_bytes - file_bytes);
  }
};

struct LimitReadings {
  std::vector<LimitReading> all;  ///< The option, control groups, resource limits, the host.
  std::optional<std::uint64_t> resident_bytes;           ///< Of the process, by statm.
  std::optional<double> psi_some_avg10, psi_full_avg10;  ///< Percent of time.
  std::string note;  ///< What cannot be read or understood, in sentences; empty: nothing.

  /// The one with the least headroom; of several, the one that is passed by most, then the first in
  /// order. nullptr: no limit is known.
  [[nodiscard]] const LimitReading* tightest() const noexcept;
};

/// The soft limits; `no_limit` where there is none.
struct ResourceLimits {
  static constexpr std::uint64_t no_limit = UINT64_MAX;
  std::uint64_t address_space_bytes = no_limit;  ///< RLIMIT_AS.
  std::uint64_t data_bytes = no_limit;           ///< RLIMIT_DATA.
};
ResourceLimits own_resource_limits() noexcept;

/// Reads /proc and the control groups. Not thread-safe: one lock of its user around read(). Files
/// are opened, read and closed each time, so that a fork, or a program that closes descriptors that
/// it does not know, does no harm. Never reads smaps_rollup, which takes milliseconds per
/// gigabyte.
///
/// What is compared with what: the option with what heap and pool hold; a control group's limits
/// with its usage less inactive file pages; RLIMIT_AS with VmSize (less what we
/// only reserved, where the limit was lowered below VmSize); RLIMIT_DATA with VmData less what we
/// only committed; for the host, the process may grow by MemAvailable, but not beyond
/// MemTotal.
class LimitReader {
 public:
  using ResourceLimitsFunction = ResourceLimits (*)() noexcept;
  /// Limits, and which files exist, are looked up again after so long; usage at each read().
  static constexpr std::uint64_t discovery_interval_ns = 10'000'000'000;

  /// `root` is put before /proc and /sys: empty for the real ones, a fake tree in tests.
  explicit LimitReader(std::string root,
                       ResourceLimitsFunction resource_limits = own_resource_limits) noexcept
      : root_(std::move(root)), resource_limits_(resource_limits) {}

  /// `now_ns`: monotonic; going back is put up with. The result stays valid until the next read().
  /// Some thirty system calls, and small allocations by operator new; without memory for these it
  /// gives the previous readings. Leaves errno alone.
  const LimitReadings& read(const OwnMemory& own, std::uint64_t now_ns) noexcept;

 private:
  struct LimitedGroup {
    ControlGroup group;
    std::vector<GroupLimit> limits;  ///< At least one.
  };
  /// What does not change between discoveries.
  struct Discovery {
    std::vector<LimitedGroup> groups;
    ResourceLimits resource_limits;
    std::string pressure_file;  ///< Empty: there is none.
    std::string note;
    std::uint64_t at_ns = 0;
  };

  [[nodiscard]] Discovery discover(std::uint64_t now_ns) const;
  /// `is_stale`: a group's files are gone, since the process was moved or the group removed.
  [[nodiscard]] LimitReadings read_all(const OwnMemory& own, bool& is_stale) const;
  void add_groups(LimitReadings& readings, bool& is_stale) const;
  void add_resource_limits(const OwnMemory& own, LimitReadings& readings) const;
  void add_host(LimitReadings& readings) const;
  void read_pressure(LimitReadings& readings) const;
  void refresh(const OwnMemory& own, std::uint64_t now_ns);

  std::string root_;
  ResourceLimitsFunction resource_limits_;
  std::optional<Discovery> discovery_;
  LimitReadings last_;
};

}  // namespace sqlitemem
