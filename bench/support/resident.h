// Resident memory of this process, now and at its highest, as the kernel counts it.
#pragma once

#include <cstdint>

namespace sqlitemem::bench {

/// From /proc/self/smaps_rollup, which counts page tables exactly. statm lags by up to 64 pages per
/// CPU and kind of page, because the kernel batches those counters.
std::uint64_t resident_bytes();

/// VmHWM of this process image. Unlike ru_maxrss it is not inherited through exec from a larger
/// parent.
std::uint64_t peak_resident_bytes();

}  // namespace sqlitemem::bench
