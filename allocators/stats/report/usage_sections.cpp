// The top of the report: who reports, used and limit, and what the resident set is made of.
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "allocators/stats/report/report_sections.h"
#include "allocators/stats/reset_clock.h"

namespace sqlitemem::stats::report {
namespace {

constexpr std::size_t most_resident_rows = 8;

std::optional<std::uint64_t> bytes_of(const std::vector<MemoryStatsRow>& rows,
                                      std::string_view category, std::string_view component) {
  const auto row = std::ranges::find_if(rows, [&](const MemoryStatsRow& each) {
    return each.category == category && each.component == component;
  });
  return row == rows.end() ? std::nullopt : row->memory_bytes;
}

double ratio_between(std::uint64_t part, std::uint64_t whole) {
  return ratio(part, whole).value_or(0);
}

void draw_used_of(Page& page, std::uint64_t used, std::uint64_t limit, std::string_view source) {
  const double share = ratio_between(used, limit);
  page.paragraph(fmt::format("  {}  ", bar(share, bar_width(page), page.charset())),
                 fmt::format("{} of {}, {} ({})", human_bytes(used), human_bytes(limit),
                             human_percent(share), source));
}

std::string_view words_of(LimitSource source) {
  switch (source) {
    case LimitSource::config:
      return "memory_limit";
    case LimitSource::cgroup:
      return "control group";
    case LimitSource::rlimit:
      return "resource limit";
    case LimitSource::host:
      return "memory of the machine";
    case LimitSource::none:
      break;
  }
  return "limit";
}

/// From the figures of memory_stats, where nobody watches the pressure.
void draw_usage_of_rows(Page& page, const std::vector<MemoryStatsRow>& rows) {
  const auto held = bytes_of(rows, "allocator", "held");
  const auto limit = bytes_of(rows, "allocator", "limit");
  const auto resident = bytes_of(rows, "process", "resident_set");
  const auto group_limit = bytes_of(rows, "cgroup", "group_limit");
  const auto group_usage = bytes_of(rows, "cgroup", "group_usage");
  page.heading("USAGE");
  if (held && limit) return draw_used_of(page, *held, *limit, "memory_limit");
  if (group_usage && group_limit)
    return draw_used_of(page, *group_usage, *group_limit, "control group");
  std::string text = resident ? human_bytes(*resident) + " resident" : "not measurable here";
  if (held) text = human_bytes(*held) + " held for SQLite, " + text;
  page.paragraph("  ", text + "; no limit is set");
}

std::string stalls_of(const PressureReading& pressure) {
  std::string text;
  if (pressure.psi_some_avg10)
    text += fmt::format("some tasks stalled for memory {} of the last 10 s",
                        human_percent(*pressure.psi_some_avg10 / 100));
  if (pressure.psi_full_avg10)
    text += fmt::format("{}all of them {}", text.empty() ? "stalled for memory: " : ", ",
                        human_percent(*pressure.psi_full_avg10 / 100));
  return text;
}

void add_clause(std::string& text, const std::string& clause) {
  if (clause.empty()) return;
  text += (text.empty() ? "" : "; ") + clause;
}

/// What happened so far, in one paragraph.
std::string history_of(const PressureReading& pressure) {
  std::string text;
  if (pressure.pressure_events != 0)
    add_clause(text, fmt::format("{} responses to pressure, {} in the last hour",
                                 human_count(pressure.pressure_events),
                                 human_count(pressure.pressure_events_last_hour)));
  if (!pressure.last_action.empty()) {
    std::string last = "the last: " + pressure.last_action;
    if (pressure.last_freed_bytes) last += ", freed " + human_bytes(*pressure.last_freed_bytes);
    add_clause(text, last);
  }
  if (pressure.refused_requests != 0)
    add_clause(text, human_count(pressure.refused_requests) + " requests refused");
  add_clause(text, stalls_of(pressure));
  return text;
}

struct Share {
  std::string_view component;
  std::uint64_t bytes = 0;
};

/// The largest first, and the rest in one; what nothing explains is always the last.
std::vector<Share> shares_of(const std::vector<MemoryStatsRow>& rows) {
  std::vector<Share> shares;
  std::optional<Share> unattributed;
  for (const MemoryStatsRow& row : rows) {
    if (row.category != "rss" || row.memory_bytes.value_or(0) == 0) continue;
    if (row.component == "unattributed") {
      unattributed = Share{"unattributed", *row.memory_bytes};
    } else {
      shares.push_back({row.component, *row.memory_bytes});
    }
  }
  std::ranges::stable_sort(shares, std::greater{}, &Share::bytes);
  if (shares.size() > most_resident_rows) {
    Share rest{"smaller ones", 0};
    for (std::size_t i = most_resident_rows - 1; i < shares.size(); ++i)
      rest.bytes = saturated_sum(rest.bytes, shares[i].bytes);
    shares.resize(most_resident_rows - 1);
    shares.push_back(rest);
  }
  if (unattributed) shares.push_back(*unattributed);
  return shares;
}

}  // namespace

void draw_header(Page& page, const ReportHeader& header) {
  const auto shown = [&](const std::string& text) { return presentable(text, page.charset()); };
  std::string title = fmt::format("sqlitemem {}, {}", shown(header.version), shown(header.mode));
  if (!header.process.empty()) title += ": " + shown(header.process);
  if (header.process_id) title += fmt::format(" (process {})", *header.process_id);
  page.line(title);
  page.line(repeated(page.signs().rule, page.width()));
  if (!header.reason.empty()) page.paragraph("", header.reason);
}

void draw_usage(Page& page, const ReportFigures& figures) {
  if (!figures.pressure) return draw_usage_of_rows(page, figures.memory);
  const PressureReading& pressure = *figures.pressure;
  std::string remark(name_of(pressure.level));
  if (pressure.since_unix_ms > 0)
    remark += " since " + iso8601(static_cast<std::time_t>(pressure.since_unix_ms / 1000));
  if (pressure.stage != ResponseStage::none)
    remark += fmt::format(", response: {}", name_of(pressure.stage));
  page.heading("USAGE", remark);
  if (pressure.limit_bytes) {
    draw_used_of(page, pressure.used_bytes, *pressure.limit_bytes, words_of(pressure.limit_source));
  } else {
    page.line(fmt::format("  {} used; no limit is known", human_bytes(pressure.used_bytes)));
  }
  page.paragraph("  ", pressure.limit_note);
  page.paragraph("  ", history_of(pressure));
  page.paragraph("  ", pressure.note);
}

void draw_resident(Page& page, const ReportFigures& figures) {
  const std::vector<Share> shares = shares_of(figures.memory);
  const auto resident = bytes_of(figures.memory, "process", "resident_set");
  if (shares.empty() || !resident) return;
  const std::uint64_t unattributed = bytes_of(figures.memory, "rss", "unattributed").value_or(0);
  page.heading("RESIDENT SET", fmt::format("{}, {} of it attributed", human_bytes(*resident),
                                           human_percent(ratio_missing(unattributed, *resident))));
  Grid grid({{"component", false}, {"", false}, {"bytes"}, {"share"}});
  for (const Share& share : shares) {
    const double part = ratio_between(share.bytes, *resident);
    grid.add({presentable(share.component, page.charset()),
              bar(part, bar_width(page), page.charset()), human_bytes(share.bytes),
              human_percent(part)});
  }
  grid.draw(page);
}

}  // namespace sqlitemem::stats::report
