// Reads /proc/self and /sys/fs/cgroup. Missing files and missing lines are normal, and said.
#include "allocators/stats/process_memory.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "allocators/pressure/cgroup.h"
#include "allocators/pressure/system_file.h"

namespace sqlitemem::stats {
namespace {

void read_resident(const std::string& root, ProcessMemory& memory) {
  if (const auto rollup = read_system_file(root + "/proc/self/smaps_rollup")) {
    memory.resident_bytes = kilobytes_of(*rollup, "Rss");
    memory.resident_source = "smaps_rollup";
  }
  if (memory.resident_bytes) return;
  memory.resident_bytes = read_resident_bytes(root);
  memory.resident_source = memory.resident_bytes ? "statm" : "";
  if (!memory.resident_bytes) {
    add_sentence(memory.problems, "Neither smaps_rollup nor statm of /proc/self can be read.");
  }
}

}  // namespace

ProcessMemory read_process_memory(const std::string& root) {
  ProcessMemory memory;
  read_resident(root, memory);
  const auto status = read_system_file(root + "/proc/self/status");
  if (!status) {
    add_sentence(memory.problems, "/proc/self/status cannot be read.");
    return memory;
  }
  memory.peak_resident_bytes = kilobytes_of(*status, "VmHWM");
  memory.virtual_bytes = kilobytes_of(*status, "VmSize");
  memory.peak_virtual_bytes = kilobytes_of(*status, "VmPeak");
  memory.swapped_bytes = kilobytes_of(*status, "VmSwap");
  memory.file_bytes = kilobytes_of(*status, "RssFile");
  memory.shared_bytes = kilobytes_of(*status, "RssShmem");
  if (!memory.file_bytes) {
    add_sentence(memory.problems, "/proc/self/status does not say RssFile (Linux before 4.5).");
  }
  return memory;
}

CgroupMemory read_cgroup_memory(const std::string& root) {
  CgroupMemory memory;
  const ControlGroups groups = find_control_groups(root);
  memory.note = groups.note;
  std::string problems;
  for (const ControlGroup& group : groups.memory) {
    const bool is_own = &group == &groups.memory.front();
    const std::vector<GroupLimit> limits = limits_of(root, group, problems);
    const auto least = std::ranges::min_element(limits, {}, &GroupLimit::bytes);
    const bool is_tighter =
        least != limits.end() && (!memory.limit_bytes || least->bytes < *memory.limit_bytes);
    if (!is_tighter && !is_own) continue;
    const auto usage = usage_of(root, group);
    memory.usage_bytes = usage ? std::optional(usage->bytes) : std::nullopt;
    memory.peak_bytes = peak_usage_of(root, group);
    if (is_tighter) memory.limit_bytes = least->bytes;
    memory.note = "Group " + group.name + ", version " + std::to_string(group.version) + ".";
  }
  if (!groups.memory.empty() && !memory.limit_bytes) memory.note += " No limit is set.";
  if (!problems.empty()) add_sentence(memory.note, problems);
  return memory;
}

}  // namespace sqlitemem::stats
