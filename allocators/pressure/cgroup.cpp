// What a group's files say. Where the groups are is in cgroup_paths.cpp.
#include "allocators/pressure/cgroup.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "allocators/base/bytes.h"
#include "allocators/pressure/system_file.h"

namespace sqlitemem {
namespace {

struct LimitFile {
  int version;
  std::string_view name;
  bool counts_swap;
};
constexpr std::array<LimitFile, 4> limit_files = {{
    {2, "memory.max", false},
    {2, "memory.high", false},
    {1, "memory.limit_in_bytes", false},
    {1, "memory.memsw.limit_in_bytes", true},
}};

/// Version 1 writes "no limit" as the greatest number of whole pages, 9223372036854771712.
constexpr std::uint64_t no_limit_from = std::uint64_t{1} << 62;

std::string path_of(const std::string& root, const ControlGroup& group, std::string_view file) {
  std::string path = root;
  path.append(group.directory).append("/").append(file);
  return path;
}

std::optional<std::uint64_t> number_in(const std::string& path) {
  const auto text = read_system_file(path);
  return text ? only_number(*text) : std::nullopt;
}

/// What memory.stat of version 1 says of all groups above, visible or not; nullopt: nothing.
std::optional<std::uint64_t> inherited_limit(const std::string& root, const ControlGroup& group) {
  if (group.version != 1) return std::nullopt;
  const auto statistics = read_system_file(path_of(root, group, "memory.stat"));
  if (!statistics) return std::nullopt;
  const auto limit = value_of(*statistics, "hierarchical_memory_limit");
  return limit && *limit > 0 && *limit < no_limit_from ? limit : std::nullopt;
}

}  // namespace

std::vector<GroupLimit> limits_of(const std::string& root, const ControlGroup& group,
                                  std::string& note) {
  std::vector<GroupLimit> limits;
  for (const LimitFile& file : limit_files) {
    if (file.version != group.version) continue;
    int error = 0;
    const auto text = read_system_file(path_of(root, group, file.name), error);
    if (!text) {
      // Not there: the root of the hierarchy has no limits, and swap accounting is an option.
      if (error == ENOENT) continue;
      add_sentence(
          note, path_of("", group, file.name) + " cannot be read: " + std::strerror(error) + ".");
      continue;
    }
    if (text->starts_with("max")) continue;
    const auto bytes = only_number(*text);
    if (!bytes || *bytes == 0) {
      add_sentence(note, path_of("", group, file.name) + " holds no limit that can be understood.");
    } else if (*bytes < no_limit_from) {
      limits.push_back({.file = file.name, .bytes = *bytes, .counts_swap = file.counts_swap});
    }
  }
  const auto inherited = group.is_topmost ? inherited_limit(root, group) : std::nullopt;
  const auto binds_more = [&](const GroupLimit& limit) { return limit.bytes <= *inherited; };
  if (inherited && std::ranges::none_of(limits, binds_more)) {
    limits.push_back({.file = "memory.stat", .bytes = *inherited});
  }
  return limits;
}

std::uint64_t GroupUsage::needed_bytes(bool counts_swap) const noexcept {
  const std::uint64_t all = counts_swap ? with_swap_bytes.value_or(bytes) : bytes;
  return at_least_zero(all, inactive_file_bytes);
}

std::optional<GroupUsage> usage_of(const std::string& root, const ControlGroup& group) {
  const bool is_second = group.version == 2;
  const auto bytes =
      number_in(path_of(root, group, is_second ? "memory.current" : "memory.usage_in_bytes"));
  if (!bytes) return std::nullopt;
  GroupUsage usage{.bytes = *bytes,
                   .with_swap_bytes = std::nullopt,
                   .inactive_file_bytes = 0,
                   .active_file_bytes = 0};
  if (!is_second) {
    usage.with_swap_bytes = number_in(path_of(root, group, "memory.memsw.usage_in_bytes"));
  }
  if (const auto statistics = read_system_file(path_of(root, group, "memory.stat"))) {
    // Version 1 has the group's own figures, too, and the older kernels nothing else.
    const auto bytes_of = [&](std::string_view key) {
      const auto total = value_of(*statistics, "total_" + std::string(key));
      return total ? *total : value_of(*statistics, key).value_or(0);
    };
    usage.inactive_file_bytes = bytes_of("inactive_file");
    usage.active_file_bytes = bytes_of("active_file");
  }
  return usage;
}

std::optional<std::uint64_t> peak_usage_of(const std::string& root, const ControlGroup& group) {
  return number_in(
      path_of(root, group, group.version == 2 ? "memory.peak" : "memory.max_usage_in_bytes"));
}

std::optional<std::uint64_t> least_group_limit(const std::string& root) {
  std::optional<std::uint64_t> least;
  std::string note;
  for (const ControlGroup& group : find_control_groups(root).memory) {
    for (const GroupLimit& limit : limits_of(root, group, note)) {
      least = std::min(limit.bytes, least.value_or(limit.bytes));
    }
  }
  return least;
}

}  // namespace sqlitemem
