// A finding of the doctor is one entry in one table: what is looked at, what it means, what to do.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "allocators/pressure/alerts.h"
#include "allocators/stats/doctor/examination.h"

namespace sqlitemem::stats {

/// One case of a rule, with its numbers.
struct Finding {
  std::string evidence;  ///< Sentences.
  /// A statement that the asking connection can run now.
  std::optional<std::string> fix_sql = std::nullopt;
  /// What the advice can free, at most.
  std::optional<std::uint64_t> reclaimable_bytes = std::nullopt;
  /// In place of the rule's.
  std::optional<Severity> severity = std::nullopt;
};
using Findings = std::vector<Finding>;

/// What a rule's verdict is about.
enum class Judges : std::uint8_t {
  facts,  ///< Something that happened, or is set up so: true of any process.
  sizes,  ///< Amounts and shares: noise in a process that hardly uses SQLite.
};

struct DoctorRule {
  std::string_view code;
  Severity severity = Severity::warning;
  Judges judges = Judges::facts;
  std::string_view finding;  ///< What it means, a sentence true of every case.
  std::string_view advice;
  /// The cases, the gravest first; none if the condition does not hold, or cannot be measured.
  Findings (*look)(const Examination& seen) = nullptr;
};

/// THE places to add a finding, by subject: a rule's entry in one of these tables.
std::span<const DoctorRule> setup_rules();        // setup_rules.cpp
std::span<const DoctorRule> limit_rules();        // limit_rules.cpp
std::span<const DoctorRule> heap_rules();         // heap_rules.cpp
std::span<const DoctorRule> cache_rules();        // cache_rules.cpp
std::span<const DoctorRule> statement_rules();    // statement_rules.cpp
std::span<const DoctorRule> transaction_rules();  // transaction_rules.cpp
/// All of them.
[[nodiscard]] std::vector<DoctorRule> doctor_rules();

/// Of one rule, so many cases get a row.
inline constexpr std::size_t max_cases_per_rule = 3;
/// SQLite uses less than this: sizes are not judged.
inline constexpr std::uint64_t least_judged_bytes = 1024 * 1024;

/// The statements that rules offer. Each runs in managed and attached mode; the collection of
/// level 1 to 3, and PRAGMA, in all.
namespace fix {
std::string collect(int level);
std::string coalesce();
std::string set_option(std::string_view name, std::uint64_t value);
/// Rounded down to whole megabytes, at least one.
std::string set_option_bytes(std::string_view name, std::uint64_t bytes);
std::string kill_orphans(double idle_seconds);
std::string cache_size(std::uint64_t bytes);
std::string no_mmap();
}  // namespace fix

/// "64.0 MB".
std::string in_words(std::uint64_t bytes);
/// part / whole as "12 %".
std::string percent_of(std::uint64_t part, std::uint64_t whole);
/// part / whole >= ratio. false for whole 0.
bool is_share(std::uint64_t part, std::uint64_t whole, double ratio);
/// Ends in a full stop.
std::string as_sentence(std::string text);

}  // namespace sqlitemem::stats
