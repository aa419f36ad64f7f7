// The forecasters that the tables compare, the plainest first.
#pragma once

#include <array>

#include "allocators/pressure/forecasters.h"

namespace sqlitemem::bench {

inline constexpr std::array compared_kinds = {ForecasterKind::persistence, ForecasterKind::ols,
                                              ForecasterKind::gated_trend};

}  // namespace sqlitemem::bench
