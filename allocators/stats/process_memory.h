// What the operating system says of this process's memory: /proc and the control group.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace sqlitemem::stats {

/// A figure that could not be read is nullopt, and `problems` says why (one sentence each).
struct ProcessMemory {
  std::optional<std::uint64_t> resident_bytes;       ///< From smaps_rollup (exact), else statm.
  std::optional<std::uint64_t> peak_resident_bytes;  ///< VmHWM.
  std::optional<std::uint64_t> virtual_bytes, peak_virtual_bytes, swapped_bytes;
  std::optional<std::uint64_t> file_bytes;    ///< RssFile: pages of mapped files.
  std::optional<std::uint64_t> shared_bytes;  ///< RssShmem: shared anonymous memory and tmpfs.
  std::string resident_source;                ///< The file that resident_bytes came from.
  std::string problems;
};
/// `root` is put before "/proc": empty for the real one, a directory with a fake tree in tests.
ProcessMemory read_process_memory(const std::string& root);

/// Version 2 or 1. Of the groups from the process's own up to the root, the one with the tightest
/// limit is shown; without any limit, the own group.
struct CgroupMemory {
  std::optional<std::uint64_t> usage_bytes, peak_bytes;
  std::optional<std::uint64_t> limit_bytes;  ///< nullopt: no limit, or not readable (see `note`).
  std::string note;  ///< Which group and version, or what could not be read.
};
CgroupMemory read_cgroup_memory(const std::string& root);

}  // namespace sqlitemem::stats
