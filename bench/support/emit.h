// A worker's way to answer: lines "name value" on standard output, outside of any measured time.
#pragma once

#include <cstdio>
#include <string_view>

namespace sqlitemem::bench {

inline void emit(std::string_view name, double value) {
  std::printf("%.*s %.9g\n", static_cast<int>(name.size()), name.data(), value);
}

}  // namespace sqlitemem::bench
