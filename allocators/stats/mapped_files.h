// How much of the resident memory is mapped files of a given name.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace sqlitemem::stats {

/// Resident bytes of the mappings of these files, from /proc/self/smaps: exact, and slow where
/// there are many mappings (milliseconds). `root` is put before "/proc". nullopt: not readable.
[[nodiscard]] std::optional<std::uint64_t> read_mapped_bytes(const std::string& root,
                                                             std::span<const std::string> files);

}  // namespace sqlitemem::stats
