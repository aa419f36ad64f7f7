// Which requests are page runs, and of how many granules.
#pragma once

#include <cstddef>

#include "allocators/base/bytes.h"
#include "allocators/config.h"
#include "allocators/slab/size_classes.h"

namespace sqlitemem {

constexpr std::size_t granules_for(std::size_t bytes) {
  return divide_up(bytes, run_granule_bytes);
}

inline bool is_run_request(std::size_t bytes) noexcept {
  return bytes <= static_cast<std::size_t>(option(&Config::large_object_threshold));
}

}  // namespace sqlitemem
