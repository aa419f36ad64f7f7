// The control groups that limit this process's memory, in version 1 and version 2 of the hierarchy.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sqlitemem {

/// A limit that a group has. Bytes, at least 1.
struct GroupLimit {
  std::string_view file;  ///< "memory.max"; a literal.
  std::uint64_t bytes = 0;
  bool counts_swap = false;  ///< Version 1's memsw: memory and swap together.
};

/// A group with memory files that the process is in, itself or by a group below.
struct ControlGroup {
  int version = 2;          ///< 1 or 2.
  std::string name;         ///< "/" or "/a/b", seen from where the hierarchy is mounted.
  std::string directory;    ///< "/sys/fs/cgroup/a/b", without the root in front.
  bool is_topmost = false;  ///< No group above it can be seen.
};

/// `root` is put before /proc and /sys everywhere here: empty for the real ones, a directory with a
/// fake tree in tests. std::bad_alloc passes through. Each call opens its files anew.
struct ControlGroups {
  std::vector<ControlGroup> memory;  ///< The process's own group first, then those above it.
  std::string pressure_file;         ///< memory.pressure of the own group; empty: none is there.
  std::string note;                  ///< Why `memory` is empty, in words.
};
/// Looks up the groups of /proc/self/cgroup in /proc/self/mountinfo. Which version has the memory
/// controller is found out by its files: on a hybrid host version 2 is mounted without it. Groups
/// above the mount, as in a container, cannot be seen.
ControlGroups find_control_groups(const std::string& root);

/// What is set; "max" and version 1's huge number are no limit. A file that cannot be read or
/// understood is no limit either, and gets a sentence in `note`. By how much groups limit that
/// cannot be seen is said by version 1's memory.stat; it counts as a limit of the topmost one.
std::vector<GroupLimit> limits_of(const std::string& root, const ControlGroup& group,
                                  std::string& note);

struct GroupUsage {
  std::uint64_t bytes = 0;
  std::optional<std::uint64_t> with_swap_bytes;  ///< Version 1 with swap accounting.
  /// Pages of files that nobody used lately: the kernel takes them back before it runs out.
  std::uint64_t inactive_file_bytes = 0;
  /// Pages of files in use: the kernel takes them back, too, but somebody will read them again.
  std::uint64_t active_file_bytes = 0;

  /// All but inactive file pages: what is compared with limits.
  [[nodiscard]] std::uint64_t needed_bytes(bool counts_swap) const noexcept;
};
std::optional<GroupUsage> usage_of(const std::string& root, const ControlGroup& group);
/// The greatest usage so far; nullopt: the kernel does not say (version 2 before Linux 5.19).
std::optional<std::uint64_t> peak_usage_of(const std::string& root, const ControlGroup& group);

/// The least limit of all groups; nullopt: none is set, or nothing can be read.
std::optional<std::uint64_t> least_group_limit(const std::string& root);

}  // namespace sqlitemem
