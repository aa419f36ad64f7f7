// The table memory_doctor: what is wrong, how that is known, and what to do about it.
#pragma once

#include "allocators/stats/describe.h"

namespace sqlitemem::stats {

class Sources;
struct Examination;

struct MemoryDoctorRow {
  std::string severity, code, finding, evidence, advice;
  std::optional<std::string> fix_sql;
  std::optional<std::uint64_t> reclaimable_bytes;

  static constexpr auto describe() {
    using R = MemoryDoctorRow;
    // clang-format off
    return describe_table<R>("memory_doctor", "",
        "What is wrong with the memory of this process, the gravest first. Each row is a condition "
        "that holds now, with the numbers that say so; what cannot be measured gives no row. "
        "Where nothing is worth a warning, the last row says so. docs/doctor.md explains every "
        "code.", {
        {"severity", &R::severity, Role::detail, "", "critical, warning, info or ok."},
        {"code", &R::code, Role::label, "", "The rule's name."},
        {"finding", &R::finding, Role::detail, "", "What it means."},
        {"evidence", &R::evidence, Role::detail, "", "The numbers behind it."},
        {"advice", &R::advice, Role::detail, "", "What to do."},
        {"fix_sql", &R::fix_sql, Role::detail, "",
         "A statement that does it, or a part of it, at once; NULL where no statement can."},
        {"reclaimable_bytes", &R::reclaimable_bytes, Role::detail, "",
         "What the advice can free, at most; NULL: not known, or memory is not what it frees."},
    });
    // clang-format on
  }
  static std::vector<MemoryDoctorRow> snapshot(Sources& sources, Arguments arguments);
};

/// The rows of memory_doctor. Pure.
[[nodiscard]] std::vector<MemoryDoctorRow> diagnose(const Examination& seen);

/// The chapters of docs/doctor.md on codes: every finding, every alert, every kind of leak.
[[nodiscard]] std::string doctor_manual();

}  // namespace sqlitemem::stats
