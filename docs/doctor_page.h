// The text of docs/doctor.md.
#pragma once

#include <string>

namespace sqlitemem::docs {

/// From the rules in the code: every code, what it means, and what to do.
std::string doctor_page();

}  // namespace sqlitemem::docs
