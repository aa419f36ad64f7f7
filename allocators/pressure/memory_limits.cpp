// Every reading is made whole and then takes the place of the last one, so that no shortage of
// memory leaves half of one.
#include "allocators/pressure/memory_limits.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>

#include "allocators/base/bytes.h"
#include "allocators/pressure/system_file.h"

namespace sqlitemem {
namespace {

std::uint64_t soft_limit(decltype(RLIMIT_AS) resource) noexcept {
  rlimit limit{};
  if (::getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return ResourceLimits::no_limit;
  }
  return limit.rlim_cur;
}

/// "some avg10=0.12 avg60=…" of the line that begins with `word`.
std::optional<double> average_of(std::string_view text, std::string_view word) noexcept {
  constexpr std::string_view key = " avg10=";
  while (!text.empty()) {
    std::string_view line = take_line(text);
    if (!line.starts_with(word) || !line.substr(word.size()).starts_with(key)) continue;
    line.remove_prefix(word.size() + key.size());
    double percent = 0;
    const auto parsed = std::from_chars(line.data(), line.data() + line.size(), percent);
    if (parsed.ec != std::errc{} || !(percent >= 0 && percent <= 100)) return std::nullopt;
    return percent;
  }
  return std::nullopt;
}

/// Linux before 3.14 does not say MemAvailable: what is free, and the caches that it can drop.
std::optional<std::uint64_t> estimated_available(std::string_view meminfo) noexcept {
  const auto free = kilobytes_of(meminfo, "MemFree");
  if (!free) return std::nullopt;
  const std::uint64_t caches =
      kilobytes_of(meminfo, "Buffers").value_or(0) + kilobytes_of(meminfo, "Cached").value_or(0);
  return *free + at_least_zero(caches, kilobytes_of(meminfo, "Shmem").value_or(0));
}

/// Below 2^63, so that limits and usage can be compared as signed numbers.
std::uint64_t clamped(std::uint64_t bytes) noexcept {
  return std::min<std::uint64_t>(bytes, INT64_MAX);
}

void add(LimitReadings& readings, LimitSource source, std::uint64_t limit_bytes,
         std::uint64_t used_bytes, std::string name, std::uint64_t file_bytes = 0) {
  const std::uint64_t used = clamped(used_bytes);
  readings.all.push_back({.source = source,
                          .limit_bytes = std::max<std::uint64_t>(1, clamped(limit_bytes)),
                          .used_bytes = used,
                          .file_bytes = std::min(used, file_bytes),
                          .name = std::move(name)});
}

std::optional<std::string> text_of(const std::string& root, const char* file,
                                   LimitReadings& readings) {
  auto text = read_system_file(root + file);
  if (!text) add_sentence(readings.note, std::string(file) + " cannot be read.");
  return text;
}

}  // namespace

ResourceLimits own_resource_limits() noexcept {
  return {.address_space_bytes = soft_limit(RLIMIT_AS), .data_bytes = soft_limit(RLIMIT_DATA)};
}

const LimitReading* LimitReadings::tightest() const noexcept {
  // Negative where the limit is passed. Limits and usage are below 2^63.
  const auto room = [](const LimitReading& reading) {
    return static_cast<std::int64_t>(reading.limit_bytes) -
           static_cast<std::int64_t>(reading.used_bytes - reading.file_bytes);
  };
  const auto least = std::ranges::min_element(all, {}, room);
  return least == all.end() ? nullptr : &*least;
}

LimitReader::Discovery LimitReader::discover(std::uint64_t now_ns) const {
  Discovery found;
  ControlGroups groups = find_control_groups(root_);
  found.note = std::move(groups.note);
  found.pressure_file = std::move(groups.pressure_file);
  for (ControlGroup& group : groups.memory) {
    auto limits = limits_of(root_, group, found.note);
    if (!limits.empty()) {
      found.groups.push_back({.group = std::move(group), .limits = std::move(limits)});
    }
  }
  found.resource_limits = resource_limits_();
  found.at_ns = now_ns;
  return found;
}

void LimitReader::add_groups(LimitReadings& readings, bool& is_stale) const {
  for (const LimitedGroup& limited : discovery_->groups) {
    const auto usage = usage_of(root_, limited.group);
    if (!usage) {
      is_stale = true;
      add_sentence(readings.note, "The usage of " + limited.group.directory + " cannot be read.");
      continue;
    }
    for (const GroupLimit& limit : limited.limits) {
      std::string name = limited.group.directory;
      name.append("/").append(limit.file);
      add(readings, LimitSource::cgroup, limit.bytes, usage->needed_bytes(limit.counts_swap),
          std::move(name), usage->active_file_bytes);
    }
  }
}

void LimitReader::add_resource_limits(const OwnMemory& own, LimitReadings& readings) const {
  const ResourceLimits& limits = discovery_->resource_limits;
  const bool has_address_space_limit = limits.address_space_bytes != ResourceLimits::no_limit;
  if (!has_address_space_limit && limits.data_bytes == ResourceLimits::no_limit) return;
  const auto status = text_of(root_, "/proc/self/status", readings);
  const auto add_one = [&](std::uint64_t limit, const char* key, const char* name,
                           const auto& used_of) {
    if (limit == ResourceLimits::no_limit || !status) return;
    const auto used = kilobytes_of(*status, key);
    if (!used) {
      add_sentence(readings.note, std::string("/proc/self/status does not say ") + key + ".");
      return;
    }
    add(readings, LimitSource::rlimit, limit, used_of(*used), name);
  };
  // What is mapped is lost to everybody else, used or not. A limit that was lowered below it later
  // says nothing about what we had reserved by then.
  add_one(limits.address_space_bytes, "VmSize", "RLIMIT_AS", [&](std::uint64_t mapped) {
    return mapped <= limits.address_space_bytes ? mapped
                                                : at_least_zero(mapped, own.idle_reserved_bytes);
  });
  add_one(limits.data_bytes, "VmData", "RLIMIT_DATA", [&](std::uint64_t writable) {
    return at_least_zero(writable, own.idle_committed_bytes);
  });
}

void LimitReader::add_host(LimitReadings& readings) const {
  const auto meminfo = text_of(root_, "/proc/meminfo", readings);
  if (!meminfo) return;
  const auto total = kilobytes_of(*meminfo, "MemTotal");
  auto available = kilobytes_of(*meminfo, "MemAvailable");
  const bool is_estimated = !available;
  if (is_estimated) available = estimated_available(*meminfo);
  if (!total || *total == 0 || !available) {
    add_sentence(readings.note, "/proc/meminfo does not say what is available.");
    return;
  }
  if (is_estimated) {
    add_sentence(readings.note,
                 "/proc/meminfo does not say MemAvailable (Linux before 3.14); it is estimated.");
  }
  // The process may grow by what is available. Without its own size, the whole host is looked at.
  const std::uint64_t used =
      clamped(readings.resident_bytes.value_or(at_least_zero(*total, *available)));
  add(readings, LimitSource::host, std::min(*total, clamped(*available) + used), used,
      "/proc/meminfo");
}

LimitReadings LimitReader::read_all(const OwnMemory& own, bool& is_stale) const {
  LimitReadings readings;
  readings.note = discovery_->note;
  readings.resident_bytes = read_resident_bytes(root_);
  if (!readings.resident_bytes) {
    add_sentence(readings.note, "/proc/self/statm cannot be read or understood.");
  }
  if (own.limit_bytes != 0) {
    add(readings, LimitSource::config, own.limit_bytes, own.held_bytes, "option memory_limit");
  }
  add_groups(readings, is_stale);
  add_resource_limits(own, readings);
  for (const OwnSpace& space : own.spaces) {
    if (space.bytes != 0)
      add(readings, LimitSource::rlimit, space.bytes, space.held_bytes, space.name);
  }
  add_host(readings);
  read_pressure(readings);
  return readings;
}

void LimitReader::read_pressure(LimitReadings& readings) const {
  auto pressure = discovery_->pressure_file.empty()
                      ? std::nullopt
                      : read_system_file(root_ + discovery_->pressure_file);
  if (!pressure) pressure = read_system_file(root_ + "/proc/pressure/memory");
  if (pressure) {
    readings.psi_some_avg10 = average_of(*pressure, "some");
    readings.psi_full_avg10 = average_of(*pressure, "full");
  }
  if (!readings.psi_some_avg10) {
    add_sentence(readings.note, "The kernel does not say how long tasks waited for memory (PSI).");
  }
}

void LimitReader::refresh(const OwnMemory& own, std::uint64_t now_ns) {
  const bool was_known = discovery_ && now_ns >= discovery_->at_ns &&
                         now_ns - discovery_->at_ns < discovery_interval_ns;
  if (!was_known) discovery_ = discover(now_ns);
  bool is_stale = false;
  LimitReadings next = read_all(own, is_stale);
  if (is_stale && was_known) {
    discovery_ = discover(now_ns);
    next = read_all(own, is_stale);
  }
  last_ = std::move(next);
}

const LimitReadings& LimitReader::read(const OwnMemory& own, std::uint64_t now_ns) noexcept {
  const int saved_errno = errno;  // A program may look at it after an allocation.
  try {
    refresh(own, now_ns);
  } catch (...) {  // No memory for names and texts: the previous readings stay.
    errno = saved_errno;
    return last_;
  }
  errno = saved_errno;
  return last_;
}

}  // namespace sqlitemem
