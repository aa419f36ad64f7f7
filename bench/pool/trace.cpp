// Reads trace files and numbers their pages.
#include "bench/pool/trace.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "bench/support/child.h"

namespace sqlitemem::bench {
namespace {

constexpr std::uint32_t no_page = 0xFFFFFFFF;

/// The 64-bit finalizer of MurmurHash3: each bit of the page's identity changes half of the hash.
std::uint64_t mixed(std::uint64_t key) {
  key = (key ^ (key >> 33)) * 0xFF51AFD7ED558CCD;
  key = (key ^ (key >> 33)) * 0xC4CEB9FE1A85EC53;
  return key ^ (key >> 33);
}

/// Numbers the pages of one cache of the traced process.
struct CacheState {
  std::vector<std::uint32_t> page_of_number;  ///< Since the last drop.
  std::vector<std::uint32_t> pages;
  std::uint64_t file = 0;  ///< Another one after the cache was destroyed.
};

void drop_pages(Trace& trace, CacheState& cache, bool is_reset) {
  if (cache.pages.empty()) return;
  const auto number = static_cast<std::uint32_t>(trace.drops.size());
  trace.events.push_back({TraceEvent::drop_bit | number});
  trace.drops.push_back({.pages = std::move(cache.pages), .is_reset = is_reset});
  cache.pages.clear();
  cache.page_of_number.clear();
}

void refer(Trace& trace, CacheState& cache, std::uint32_t number) {
  if (number >= cache.page_of_number.size()) cache.page_of_number.resize(number + 1, no_page);
  std::uint32_t& page = cache.page_of_number[number];
  if (page == no_page) {
    page = trace.page_count();
    trace.key_hashes.push_back(mixed(cache.file << 24 | number));
    cache.pages.push_back(page);
  }
  trace.events.push_back({page});
  ++trace.references;
}

std::string base_name(const std::string& path) {
  std::string name = std::filesystem::path(path).filename().string();
  return name.substr(0, name.find(".u32"));
}

}  // namespace

Trace make_trace(std::string name, std::span<const std::uint32_t> words) {
  Trace trace;
  trace.name = std::move(name);
  std::array<CacheState, 32> caches;
  std::uint64_t files = 0;
  for (CacheState& cache : caches) cache.file = ++files;
  for (const std::uint32_t raw : words) {
    const TraceWord word{raw};
    CacheState& cache = caches[word.cache()];
    if (word.is_truncate()) {
      // Limits above 2 cut off the end of a file; they are rare, and those pages do not return.
      if (word.number() > 2) continue;
      drop_pages(trace, cache, word.number() != 0);
      if (word.number() == 0) cache.file = ++files;
    } else if (word.is_pinned()) {
      ++trace.pinned_references;
    } else {
      refer(trace, cache, word.number());
    }
  }
  return trace;
}

std::variant<Trace, std::string> read_trace(const std::string& path) {
  std::string bytes;
  if (path.ends_with(".xz")) {
    ChildResult unpacked = run_child({.arguments = {"xz", "-dc", "--", path}, .environment = {}});
    if (unpacked.exit_code == 127) {
      return path + ": the program xz is needed to read it (apt install xz-utils)";
    }
    if (unpacked.exit_code != 0) return path + ": xz cannot read it";
    bytes = std::move(unpacked.output);
  } else {
    std::ifstream file(path, std::ios::binary);
    if (!file) return path + ": " + std::strerror(errno);
    bytes.assign(std::istreambuf_iterator<char>(file), {});
  }
  if (bytes.empty() || bytes.size() % 4 != 0) {
    return path + ": not a trace, its size is not a positive multiple of 4 bytes";
  }
  std::vector<std::uint32_t> words(bytes.size() / 4);
  for (std::size_t at = 0; at < words.size(); ++at) {
    for (unsigned byte = 0; byte < 4; ++byte) {  // Little-endian on every machine.
      words[at] |= std::uint32_t{static_cast<unsigned char>(bytes[4 * at + byte])} << (8 * byte);
    }
  }
  Trace trace = make_trace(base_name(path), words);
  if (trace.references == 0) return path + ": not a trace, no reference in it";
  return trace;
}

std::vector<std::string> trace_files(const std::string& path) {
  if (!std::filesystem::is_directory(path)) return {path};
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    const std::string file = entry.path().string();
    if (file.ends_with(".u32") || file.ends_with(".u32.xz")) files.push_back(file);
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace sqlitemem::bench
