// Runs the doctor's rules, orders what they find, and describes them for the manual.
#include "allocators/stats/doctor_rows.h"

#include <fmt/format.h>

#include <algorithm>

#include "allocators/base/words.h"
#include "allocators/stats/doctor/doctor_rules.h"
#include "allocators/stats/sources.h"

namespace sqlitemem::stats {
namespace {

/// A row, and where it goes.
struct Judged {
  Severity severity;
  MemoryDoctorRow row;
};

Judged as_row(const DoctorRule& rule, Finding&& finding) {
  const Severity severity = finding.severity.value_or(rule.severity);
  MemoryDoctorRow row;
  row.severity = name_of(severity);
  row.code = rule.code;
  row.finding = rule.finding;
  row.evidence = std::move(finding.evidence);
  row.advice = rule.advice;
  row.fix_sql = std::move(finding.fix_sql);
  row.reclaimable_bytes = finding.reclaimable_bytes;
  return {severity, std::move(row)};
}

void apply(const DoctorRule& rule, const Examination& seen, std::vector<Judged>& judged) {
  Findings findings = rule.look(seen);
  if (findings.size() > max_cases_per_rule) {
    const std::size_t more = findings.size() - max_cases_per_rule;
    findings.resize(max_cases_per_rule);
    findings.back().evidence += fmt::format(" There are {} more cases.", more);
  }
  for (Finding& finding : findings) judged.push_back(as_row(rule, std::move(finding)));
}

constexpr std::string_view too_small_code = "too_small", healthy_code = "healthy";
constexpr std::string_view too_small_finding =
    "SQLite uses too little memory here for shares and sizes to mean anything.";
constexpr std::string_view too_small_advice =
    "Ask again under load; what is wrong at any size is shown nevertheless.";
constexpr std::string_view healthy_finding = "Nothing is wrong that could be measured here.";
constexpr std::string_view healthy_advice = "Nothing needs to be done.";

std::string evidence_of_health(const Examination& seen, std::size_t rules) {
  const auto bytes = seen.sqlite_bytes();
  return fmt::format("{} rules looked; SQLite uses {}, and {} connections are known.", rules,
                     bytes ? in_words(*bytes) : "an unknown amount", seen.connections.size());
}

void append_code(std::string& out, std::string_view code, std::string_view severity,
                 std::string_view meaning, std::string_view advice) {
  out += fmt::format("### {}\n\n*{}.* {}\n\n{}\n\n", code, severity, meaning, advice);
}

std::string threshold_words(const AlertRule& rule) {
  if (rule.when == AlertWhen::happened)
    return fmt::format("Raised when it happens, cleared {} after the last.",
                       seconds_in_words(rule.clear));
  if (rule.raise == 0 && rule.clear == 0)
    return "Raised at the option orphan_idle_time, or at once where the owner is gone.";
  return fmt::format(
      "Raised {} {}, cleared {} {}.", rule.when == AlertWhen::below ? "below" : "above",
      amount_in_words(rule.raise, rule.unit), rule.when == AlertWhen::below ? "above" : "below",
      amount_in_words(rule.clear, rule.unit));
}

}  // namespace

std::vector<MemoryDoctorRow> diagnose(const Examination& seen) {
  const auto bytes = seen.sqlite_bytes();
  const bool is_tiny = bytes && *bytes < least_judged_bytes;
  std::vector<Judged> judged;
  const std::vector<DoctorRule> rules = doctor_rules();
  for (const DoctorRule& rule : rules) {
    if (!is_tiny || rule.judges == Judges::facts) apply(rule, seen, judged);
  }
  std::ranges::stable_sort(judged, std::greater{}, &Judged::severity);
  const bool is_well = judged.empty() || judged.front().severity == Severity::info;
  std::vector<MemoryDoctorRow> rows;
  rows.reserve(judged.size() + 1);
  for (Judged& each : judged) rows.push_back(std::move(each.row));
  if (is_tiny) {
    rows.push_back({"info", std::string(too_small_code), std::string(too_small_finding),
                    fmt::format("SQLite uses {}; from {} on, sizes are judged.", in_words(*bytes),
                                in_words(least_judged_bytes)),
                    std::string(too_small_advice), std::nullopt, std::nullopt});
  } else if (is_well) {
    rows.push_back({"ok", std::string(healthy_code), std::string(healthy_finding),
                    evidence_of_health(seen, rules.size()), std::string(healthy_advice),
                    std::nullopt, std::nullopt});
  }
  return rows;
}

std::vector<MemoryDoctorRow> MemoryDoctorRow::snapshot(Sources& sources, Arguments) {
  Examination seen = examine(sources);
  examine_host(sources, seen);
  return diagnose(seen);
}

std::string doctor_manual() {
  std::string out = "## Findings of memory_doctor()\n\n";
  for (const DoctorRule& rule : doctor_rules())
    append_code(out, rule.code, name_of(rule.severity), rule.finding, rule.advice);
  append_code(out, too_small_code, "info", too_small_finding, too_small_advice);
  append_code(out, healthy_code, "ok", healthy_finding, healthy_advice);
  out += "## Alerts of memory_alerts()\n\n| code | severity | raised and cleared | what to do |\n";
  out += "|---|---|---|---|\n";
  for (const AlertRule& rule : alert_rules()) {
    out += fmt::format("| `{}` | {} | {} | {} |\n", rule.code, name_of(rule.severity),
                       threshold_words(rule), rule.advice);
  }
  return out;
}

}  // namespace sqlitemem::stats
