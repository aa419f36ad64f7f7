// A healthy process as the doctor sees it, and for each finding what makes it true, and nearly so.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "allocators/stats/doctor/examination.h"

namespace sqlitemem::tests {

/// Managed mode, 40 MB in use: nothing to find.
stats::Examination a_healthy_process();

/// A condition of one rule.
struct Case {
  std::string_view code;
  std::function<void(stats::Examination&)> make_true;
  std::function<void(stats::Examination&)> make_false;  ///< Just not.
};
std::vector<Case> cases_of_setup_and_limits();
std::vector<Case> cases_of_heap_and_caches();
std::vector<Case> cases_of_statements_and_transactions();
/// At least one for each rule of the doctor.
std::vector<Case> all_cases();

}  // namespace sqlitemem::tests
