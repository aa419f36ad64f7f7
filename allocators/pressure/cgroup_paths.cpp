// From /proc/self/cgroup (which group) and /proc/self/mountinfo (where it is mounted) to
// directories.
#include <algorithm>
#include <array>

#include "allocators/pressure/cgroup.h"
#include "allocators/pressure/system_file.h"

namespace sqlitemem {
namespace {

/// A mounted hierarchy, or a part of one.
struct Mount {
  int version;
  std::string top;        ///< The group at the mount point: "/" unless only a part is mounted.
  std::string directory;  ///< The mount point.
};

/// The process's group in the hierarchy with the memory controller, and in version 2's.
struct Membership {
  std::optional<std::string> first, second;
};

/// Lines are "id:controllers:group", of version 2 "0::group".
Membership parse_membership(std::string_view text) {
  Membership membership;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    const std::size_t first = line.find(':');
    const std::size_t second = first == line.npos ? line.npos : line.find(':', first + 1);
    if (second == line.npos) continue;
    std::string controllers = ",";
    controllers.append(line.substr(first + 1, second - first - 1)).append(",");
    const std::string group(line.substr(second + 1));
    if (controllers.find(",memory,") != std::string::npos) membership.first = group;
    if (line.starts_with("0::")) membership.second = group;
  }
  return membership;
}

/// mountinfo writes blanks and backslashes as three octal digits.
std::string without_escapes(std::string_view text) {
  std::string plain;
  for (std::size_t at = 0; at < text.size(); at++) {
    const std::string_view digits = text.substr(at + 1, 3);
    const auto is_octal = [](char letter) { return letter >= '0' && letter <= '7'; };
    if (text[at] == '\\' && digits.size() == 3 && std::ranges::all_of(digits, is_octal)) {
      plain += static_cast<char>((digits[0] - '0') * 64 + (digits[1] - '0') * 8 + digits[2] - '0');
      at += 3;
    } else {
      plain += text[at];
    }
  }
  return plain;
}

std::string_view take_word(std::string_view& text) noexcept {
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(std::min(text.size(), word.size() + 1));
  return word;
}

/// "id parent device top directory options [tags] - type source super-options".
std::optional<Mount> parse_mount(std::string_view line) {
  const std::size_t dash = line.find(" - ");
  if (dash == line.npos) return std::nullopt;
  std::string_view after = line.substr(dash + 3);
  const std::string_view type = take_word(after);
  take_word(after);
  std::string options = ",";
  options.append(after).append(",");
  const bool is_first = type == "cgroup" && options.find(",memory,") != std::string::npos;
  if (!is_first && type != "cgroup2") return std::nullopt;
  for (int word = 0; word < 3; word++) take_word(line);
  std::string top = without_escapes(take_word(line));
  return Mount{is_first ? 1 : 2, std::move(top), without_escapes(take_word(line))};
}

std::vector<Mount> find_mounts(const std::string& root) {
  const auto text = read_system_file(root + "/proc/self/mountinfo");
  // Where the system's manual has them; what is not there is skipped anyway.
  if (!text) return {{1, "/", "/sys/fs/cgroup/memory"}, {2, "/", "/sys/fs/cgroup"}};
  std::vector<Mount> mounts;
  for (std::string_view rest = *text; !rest.empty();) {
    if (auto mount = parse_mount(take_line(rest))) mounts.push_back(std::move(*mount));
  }
  // The one that shows most of the groups first.
  std::ranges::stable_sort(mounts, {}, [](const Mount& mount) { return mount.top.size(); });
  return mounts;
}

bool climbs(std::string_view path) noexcept {
  return path.ends_with("/..") || path.find("/../") != path.npos;
}

/// The group's path beneath the mount: "" or "/a/b". A group that is not beneath it by name may
/// still be the mounted one (a container's view, where the names are the host's): "".
std::string beneath(const Mount& mount, const std::string& group) {
  std::string top = mount.top == "/" ? std::string() : mount.top;
  if (!group.starts_with(top)) return {};
  std::string rest = group.substr(top.size());
  if (!rest.empty() && !rest.starts_with('/')) return {};
  return rest == "/" || climbs(rest) ? std::string() : rest;
}

bool has_memory_files(const std::string& root, const ControlGroup& group) {
  static constexpr std::array<std::array<std::string_view, 2>, 2> names = {
      {{"/memory.usage_in_bytes", "/memory.limit_in_bytes"}, {"/memory.current", "/memory.max"}}};
  return std::ranges::any_of(names.at(group.version == 2 ? 1 : 0), [&](std::string_view name) {
    std::string path = root;
    path.append(group.directory).append(name);
    int error = 0;
    read_system_file(path, error);
    // There, but not for us: limits_of() says so.
    return error != ENOENT && error != ENOTDIR;
  });
}

/// Before Linux 5.11 a group of version 1 could refuse to count what the groups below it use.
bool counts_others(const std::string& root, const ControlGroup& group) {
  if (group.version == 2) return true;
  const auto text = read_system_file(root + group.directory + "/memory.use_hierarchy");
  return !text || leading_number(*text) != std::uint64_t{0};
}

/// The group and those above it, as far as they can be seen, and have files.
std::vector<ControlGroup> visible_groups(const std::string& root, const Mount& mount,
                                         const std::string& own) {
  std::vector<ControlGroup> groups;
  for (std::string name = beneath(mount, own);;) {
    ControlGroup group{mount.version, name.empty() ? "/" : name, mount.directory + name};
    if (has_memory_files(root, group) && (groups.empty() || counts_others(root, group))) {
      groups.push_back(std::move(group));
    }
    if (name.empty()) break;
    name.resize(name.rfind('/') == std::string::npos ? 0 : name.rfind('/'));
  }
  if (!groups.empty()) groups.back().is_topmost = true;
  return groups;
}

void look_for_pressure(const std::string& root, const Mount& mount, const std::string& own,
                       ControlGroups& found) {
  if (mount.version != 2 || !found.pressure_file.empty()) return;
  std::string file = mount.directory + beneath(mount, own) + "/memory.pressure";
  if (read_system_file(root + file)) found.pressure_file = std::move(file);
}

}  // namespace

ControlGroups find_control_groups(const std::string& root) {
  ControlGroups found;
  const auto text = read_system_file(root + "/proc/self/cgroup");
  if (!text) {
    found.note = "/proc/self/cgroup cannot be read.";
    return found;
  }
  const Membership membership = parse_membership(*text);
  if (!membership.first && !membership.second) {
    found.note = "/proc/self/cgroup names no group with a memory controller.";
    return found;
  }
  std::string looked_at;
  for (const Mount& mount : find_mounts(root)) {
    const auto& own = mount.version == 1 ? membership.first : membership.second;
    if (!own) continue;
    if (found.memory.empty()) {
      found.memory = visible_groups(root, mount, *own);
      looked_at += (looked_at.empty() ? "" : " and ") + mount.directory + " for group " + *own;
    }
    look_for_pressure(root, mount, *own, found);
  }
  if (!found.memory.empty()) return found;
  found.note = looked_at.empty() ? "No hierarchy of control groups is mounted."
                                 : "No memory files under " + looked_at + ".";
  return found;
}

}  // namespace sqlitemem
