// Reads the small text files under /proc and /sys, and the numbers in them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sqlitemem {

/// The whole text; these files have no size in advance. nullopt: it cannot be read, and `error` is
/// the errno that says why (ENOENT: it does not exist). std::bad_alloc passes through. The
/// descriptor lives only in here: a program may close all that it does not know.
std::optional<std::string> read_system_file(const std::string& path, int& error);
std::optional<std::string> read_system_file(const std::string& path);

/// The number that `text` begins with, after blanks; nullopt: none, or too large.
std::optional<std::uint64_t> leading_number(std::string_view text) noexcept;
/// As leading_number(), but nothing may follow it except blanks and the end of the line.
std::optional<std::uint64_t> only_number(std::string_view text) noexcept;

/// Takes the first line, without its end, away from `text`.
std::string_view take_line(std::string_view& text) noexcept;
/// The value of a line such as "VmRSS:     123 kB", in bytes.
std::optional<std::uint64_t> kilobytes_of(std::string_view text, std::string_view key) noexcept;
/// The value of a line such as "inactive_file 4096".
std::optional<std::uint64_t> value_of(std::string_view text, std::string_view key) noexcept;

/// What is resident of this process, by statm: up to some hundred KiB too little, since the kernel
/// counts per thread first; never needs to walk the address space, as smaps_rollup does.
std::optional<std::uint64_t> read_resident_bytes(const std::string& root);

/// "problems sentence", with a blank only where there is something before it.
void add_sentence(std::string& sentences, std::string_view sentence);

}  // namespace sqlitemem
