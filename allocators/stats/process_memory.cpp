// Reads /proc/self and /sys/fs/cgroup. Missing files and missing lines are normal, and said.
#include "allocators/stats/process_memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>

#include "allocators/base/bytes.h"

namespace sqlitemem::stats {
namespace {

/// These files have no size in advance: read to the end.
std::optional<std::string> read_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return std::nullopt;
  std::string text;
  std::array<char, 4096> part;
  ssize_t bytes = 0;
  while ((bytes = ::read(file, part.data(), part.size())) > 0 || (bytes < 0 && errno == EINTR)) {
    if (bytes > 0) text.append(part.data(), static_cast<std::size_t>(bytes));
  }
  const bool failed = bytes < 0;
  ::close(file);
  if (failed) return std::nullopt;
  return text;
}

std::string_view without_leading_blanks(std::string_view text) {
  const std::size_t start = text.find_first_not_of(" \t");
  return start == std::string_view::npos ? std::string_view{} : text.substr(start);
}

std::optional<std::uint64_t> number_at(std::string_view text) {
  text = without_leading_blanks(text);
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc{}) return std::nullopt;
  return value;
}

/// The value of a line such as "VmRSS:     123 kB", in bytes.
std::optional<std::uint64_t> kilobytes_of(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.starts_with(key) && line.substr(key.size()).starts_with(':')) {
      const auto kilobytes = number_at(line.substr(key.size() + 1));
      if (!kilobytes) return std::nullopt;
      return *kilobytes * kib;
    }
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return std::nullopt;
}

void add_problem(std::string& problems, std::string_view sentence) {
  if (!problems.empty()) problems += ' ';
  problems += sentence;
}

/// Second field of statm: resident pages.
std::optional<std::uint64_t> resident_of_statm(const std::string& root) {
  const auto statm = read_file(root + "/proc/self/statm");
  if (!statm) return std::nullopt;
  const std::size_t blank = statm->find(' ');
  if (blank == std::string::npos) return std::nullopt;
  const auto pages = number_at(std::string_view(*statm).substr(blank));
  if (!pages) return std::nullopt;
  return *pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

void read_resident(const std::string& root, ProcessMemory& memory) {
  if (const auto rollup = read_file(root + "/proc/self/smaps_rollup")) {
    memory.resident_bytes = kilobytes_of(*rollup, "Rss");
    memory.resident_source = "smaps_rollup";
  }
  if (memory.resident_bytes) return;
  memory.resident_bytes = resident_of_statm(root);
  memory.resident_source = memory.resident_bytes ? "statm" : "";
  if (!memory.resident_bytes) {
    add_problem(memory.problems, "Neither smaps_rollup nor statm of /proc/self can be read.");
  }
}

/// Where the memory controller's files are, by the version of the hierarchy.
struct Hierarchy {
  int version = 2;
  std::string mount;  // "/sys/fs/cgroup" or "/sys/fs/cgroup/memory".
  std::string group;  // "/" or "/a/b".
  [[nodiscard]] const char* usage() const {
    return version == 2 ? "/memory.current" : "/memory.usage_in_bytes";
  }
  [[nodiscard]] const char* peak() const {
    return version == 2 ? "/memory.peak" : "/memory.max_usage_in_bytes";
  }
  [[nodiscard]] const char* limit() const {
    return version == 2 ? "/memory.max" : "/memory.limit_in_bytes";
  }
};

/// Lines are "id:controllers:group". Version 1's memory line wins: with both, it has the
/// controller.
std::optional<Hierarchy> find_hierarchy(std::string_view text) {
  std::optional<Hierarchy> found;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::size_t first = line.find(':');
    const std::size_t second = first == line.npos ? line.npos : line.find(':', first + 1);
    if (second == line.npos) continue;
    const std::string controllers =
        ',' + std::string(line.substr(first + 1, second - first - 1)) + ',';
    const std::string group(line.substr(second + 1));
    if (controllers.find(",memory,") != std::string::npos) {
      return Hierarchy{1, "/sys/fs/cgroup/memory", group};
    }
    if (line.starts_with("0::")) found = Hierarchy{2, "/sys/fs/cgroup", group};
  }
  return found;
}

/// Version 1 writes "no limit" as a huge number, version 2 as "max".
std::optional<std::uint64_t> limit_in(const std::string& path) {
  constexpr std::uint64_t no_limit_from = std::uint64_t{1} << 62;
  const auto text = read_file(path);
  if (!text) return std::nullopt;
  const auto limit = number_at(*text);
  return limit && *limit < no_limit_from ? limit : std::nullopt;
}

std::optional<std::uint64_t> number_in(const std::string& path) {
  const auto text = read_file(path);
  return text ? number_at(*text) : std::nullopt;
}

}  // namespace

ProcessMemory read_process_memory(const std::string& root) {
  ProcessMemory memory;
  read_resident(root, memory);
  const auto status = read_file(root + "/proc/self/status");
  if (!status) {
    add_problem(memory.problems, "/proc/self/status cannot be read.");
    return memory;
  }
  memory.peak_resident_bytes = kilobytes_of(*status, "VmHWM");
  memory.virtual_bytes = kilobytes_of(*status, "VmSize");
  memory.peak_virtual_bytes = kilobytes_of(*status, "VmPeak");
  memory.swapped_bytes = kilobytes_of(*status, "VmSwap");
  memory.file_bytes = kilobytes_of(*status, "RssFile");
  memory.shared_bytes = kilobytes_of(*status, "RssShmem");
  if (!memory.file_bytes) {
    add_problem(memory.problems, "/proc/self/status does not say RssFile (Linux before 4.5).");
  }
  return memory;
}

CgroupMemory read_cgroup_memory(const std::string& root) {
  CgroupMemory memory;
  const auto membership = read_file(root + "/proc/self/cgroup");
  if (!membership) {
    memory.note = "/proc/self/cgroup cannot be read.";
    return memory;
  }
  const auto hierarchy = find_hierarchy(*membership);
  if (!hierarchy) {
    memory.note = "/proc/self/cgroup names no group with a memory controller.";
    return memory;
  }
  std::string shown;  // The group whose figures are taken.
  bool readable = false;
  for (std::string group = hierarchy->group == "/" ? "" : hierarchy->group;;) {
    std::string directory = root;
    directory.append(hierarchy->mount).append(group);
    // Inside a container the own group may be mounted as the root: skip what is not there.
    const auto usage = number_in(directory + hierarchy->usage());
    const auto limit = limit_in(directory + hierarchy->limit());
    const bool is_tighter = limit && (!memory.limit_bytes || *limit < *memory.limit_bytes);
    if (is_tighter || (usage && !readable)) {
      memory.usage_bytes = usage;
      memory.peak_bytes = number_in(directory + hierarchy->peak());
      if (limit) memory.limit_bytes = limit;
      shown = group.empty() ? "/" : group;
      readable = true;
    }
    if (group.empty()) break;
    group.resize(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
  }
  memory.note =
      readable
          ? "Group " + shown + ", version " + std::to_string(hierarchy->version) + "."
          : "No memory files under " + hierarchy->mount + " for group " + hierarchy->group + ".";
  if (readable && !memory.limit_bytes) memory.note += " No limit is set.";
  return memory;
}

}  // namespace sqlitemem::stats
