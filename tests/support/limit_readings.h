// Limits as they are read from a fake tree, the real process's own resource limits left out.
#pragma once

#include "allocators/pressure/memory_limits.h"
#include "tests/support/fake_root.h"

namespace sqlitemem::tests {

inline ResourceLimits without_resource_limits() noexcept { return {}; }

inline LimitReadings read_once(const FakeRoot& root, const OwnMemory& own = {}) {
  LimitReader reader(root.path(), without_resource_limits);
  return reader.read(own, 1);
}

}  // namespace sqlitemem::tests
