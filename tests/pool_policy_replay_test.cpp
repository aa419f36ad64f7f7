// The trace replayer: reading traces, replaying them, the optimum, the summary.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <list>

#include "bench/pool/points.h"
#include "bench/pool/replay.h"
#include "tests/support/catch.h"
#include "tests/support/model.h"

namespace sqlitemem::tests {
namespace {

using bench::make_trace;
using bench::Point;
using bench::Trace;
using bench::TraceWord;

constexpr std::uint32_t fetch(std::uint32_t cache, std::uint32_t number) {
  return cache << 24 | number;
}
constexpr std::uint32_t truncate(std::uint32_t cache, std::uint32_t limit) {
  return TraceWord::truncate_bit | cache << 24 | limit;
}

/// Skewed references of two caches, with a scan and a drop now and then.
std::vector<std::uint32_t> random_words(std::uint64_t seed, std::size_t count,
                                        std::uint32_t pages) {
  Random random(seed);
  std::vector<std::uint32_t> words;
  while (words.size() < count) {
    const auto cache = static_cast<std::uint32_t>(random.below(2));
    const auto number = static_cast<std::uint32_t>(random.below(1 + random.below(pages)));
    switch (random.below(100)) {
      case 0:
        words.push_back(truncate(cache, static_cast<std::uint32_t>(random.below(3))));
        break;
      case 1:
        for (std::uint32_t page = 0; page < pages; ++page) words.push_back(fetch(cache, page));
        break;
      default:
        words.push_back(fetch(cache, number));
    }
  }
  return words;
}

/// Fewest misses from event `at` on, with these pages resident: tries every victim.
std::uint64_t fewest_misses(const Trace& trace, std::size_t at, std::vector<std::uint32_t> resident,
                            std::size_t capacity) {
  for (; at < trace.events.size(); ++at) {
    const auto event = trace.events[at];
    if (event.is_drop()) {
      for (const std::uint32_t page : trace.drops[event.number()].pages) std::erase(resident, page);
      continue;
    }
    const std::uint32_t page = event.number();
    if (std::find(resident.begin(), resident.end(), page) != resident.end()) continue;
    std::uint64_t fewest = std::numeric_limits<std::uint64_t>::max();
    if (resident.size() < capacity) {
      resident.push_back(page);
      return 1 + fewest_misses(trace, at + 1, resident, capacity);
    }
    for (std::uint32_t& victim : resident) {
      const std::uint32_t before = victim;
      victim = page;
      fewest = std::min(fewest, fewest_misses(trace, at + 1, resident, capacity));
      victim = before;
    }
    return 1 + fewest;
  }
  return 0;
}

std::uint64_t lru_hits(const Trace& trace, std::size_t capacity) {
  std::list<std::uint32_t> newest_first;
  std::uint64_t hits = 0;
  for (const auto event : trace.events) {
    if (event.is_drop()) {
      for (const std::uint32_t page : trace.drops[event.number()].pages) newest_first.remove(page);
      continue;
    }
    const std::size_t before = newest_first.size();
    newest_first.remove(event.number());
    hits += before - newest_first.size();
    newest_first.push_front(event.number());
    if (newest_first.size() > capacity) newest_first.pop_back();
  }
  return hits;
}

/// A directory of this test alone.
class TraceFiles {
 public:
  TraceFiles() : path_(std::filesystem::temp_directory_path() / "sqlitemem_replay_XXXXXX") {
    std::string name = path_.string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TraceFiles() { std::filesystem::remove_all(path_); }
  TraceFiles(const TraceFiles&) = delete;
  TraceFiles& operator=(const TraceFiles&) = delete;
  std::string write(const std::string& name, std::string_view bytes) const {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
    return (path_ / name).string();
  }
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

std::string bytes_of(const std::vector<std::uint32_t>& words) {
  std::string bytes;
  for (const std::uint32_t word : words) {
    for (unsigned shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(word >> shift);
  }
  return bytes;
}

std::string problem_of(const std::string& path) {
  const auto read = bench::read_trace(path);
  const auto* problem = std::get_if<std::string>(&read);
  return problem == nullptr ? "" : *problem;
}

}  // namespace

TEST_CASE("Replay: pinned references are left out, drops begin new pages with the same keys",
          "[pool][replay]") {
  const std::vector<std::uint32_t> words = {
      fetch(0, 7),    fetch(1, 7),   fetch(0, 7) | TraceWord::pinned_bit,
      truncate(0, 2), fetch(0, 7),   fetch(0, 7) | TraceWord::lookup_bit,
      truncate(0, 9), fetch(0, 7),   truncate(0, 0),
      fetch(0, 7),    truncate(5, 0)};
  const Trace trace = make_trace("small", words);
  REQUIRE(trace.references == 6);
  REQUIRE(trace.pinned_references == 1);
  REQUIRE(trace.page_count() == 4);
  REQUIRE(trace.drops.size() == 2);
  REQUIRE(trace.drops[0].is_reset);
  REQUIRE_FALSE(trace.drops[1].is_reset);
  REQUIRE(trace.key_hashes[0] == trace.key_hashes[2]);  // After a reset.
  REQUIRE(trace.key_hashes[0] != trace.key_hashes[1]);  // Of another cache.
  REQUIRE(trace.key_hashes[0] != trace.key_hashes[3]);  // The cache has another file.
  REQUIRE(bench::replay<Lru>(trace, 4).hits == 2);
}

TEST_CASE("Replay: the optimum has as few misses as any choice of victims", "[pool][replay]") {
  const auto seed = GENERATE(range(1U, 16U));
  CAPTURE(seed);
  const Trace trace = make_trace("random", random_words(seed, 16, 5));
  for (const std::uint32_t capacity : {1U, 2U, 3U}) {
    CAPTURE(capacity);
    REQUIRE(bench::replay_optimum(trace, capacity).misses() ==
            fewest_misses(trace, 0, {}, capacity));
  }
}

TEST_CASE("Replay: LRU is LRU, and no policy beats the optimum", "[pool][replay]") {
  const auto seed = GENERATE(1U, 2U, 3U);
  CAPTURE(seed);
  const Trace trace = make_trace("random", random_words(seed, 20000, 300));
  for (const std::uint32_t capacity : {1U, 7U, 60U, 200U}) {
    CAPTURE(capacity);
    const std::uint64_t best = bench::replay_optimum(trace, capacity).hits;
    REQUIRE(bench::replay<Lru>(trace, capacity).hits == lru_hits(trace, capacity));
    REQUIRE(bench::replay<S3Fifo>(trace, capacity).hits <= best);
    REQUIRE(bench::replay<TwoQueue>(trace, capacity).hits <= best);
    REQUIRE(bench::replay<Arc>(trace, capacity).hits <= best);
  }
}

TEST_CASE("Replay: S3-FIFO keeps the pages in use through scans, where LRU does not",
          "[pool][replay]") {
  Random random(5);
  std::vector<std::uint32_t> words;
  for (std::uint32_t i = 0; i < 100000; ++i) {
    const std::size_t page = random.below(1 + random.below(1 + random.below(4000)));
    words.push_back(fetch(0, static_cast<std::uint32_t>(page)));
    if (i % 4 == 3) words.push_back(fetch(1, i / 4 % 2000));
  }
  const Trace trace = make_trace("scans", words);
  const std::uint64_t lru = bench::replay<Lru>(trace, 400).misses();
  REQUIRE(bench::replay<S3Fifo>(trace, 400).misses() * 10 < lru * 9);
}

TEST_CASE("Replay: a trace is read raw and compressed", "[pool][replay]") {
  const TraceFiles scratch;
  const auto words = random_words(1, 1000, 50);
  const std::string raw = scratch.write("b.u32", bytes_of(words));
  const std::string packed = scratch.write("a.u32", bytes_of(words));
  REQUIRE(std::system(("xz '" + packed + "'").c_str()) == 0);
  scratch.write("notes.txt", "no trace");
  REQUIRE(bench::trace_files(scratch.path()) == std::vector{packed + ".xz", raw});
  for (const std::string& file : bench::trace_files(scratch.path())) {
    CAPTURE(file);
    const auto read = bench::read_trace(file);
    const auto& trace = std::get<Trace>(read);
    REQUIRE(trace.name == std::filesystem::path(file).filename().string().substr(0, 1));
    REQUIRE(trace.key_hashes == make_trace("", words).key_hashes);
    REQUIRE(trace.events.size() == make_trace("", words).events.size());
  }
}

TEST_CASE("Replay: what is no trace is refused in words", "[pool][replay]") {
  const TraceFiles scratch;
  REQUIRE(problem_of(scratch.path() + "/absent.u32").ends_with("No such file or directory"));
  REQUIRE(problem_of(scratch.write("odd.u32", "12345")).find("multiple of 4") != std::string::npos);
  REQUIRE(problem_of(scratch.write("empty.u32", "")).find("multiple of 4") != std::string::npos);
  const std::string only_drops = bytes_of({truncate(0, 0)});
  REQUIRE(problem_of(scratch.write("drops.u32", only_drops)).ends_with("no reference in it"));
  const std::string damaged = scratch.write("damaged.u32.xz", "not xz");
  REQUIRE(problem_of(damaged).ends_with("xz cannot read it"));
  setenv("PATH", scratch.path().c_str(), 1);
  REQUIRE(problem_of(damaged).find("apt install xz-utils") != std::string::npos);
}

TEST_CASE("Replay: the summary counts the points at which a policy matters", "[pool][replay]") {
  const auto& names = bench::policy_names();
  REQUIRE(names.front() == S3Fifo::name);
  const auto lru =
      static_cast<std::size_t>(std::find(names.begin(), names.end(), "lru") - names.begin());
  const auto point = [&](std::uint64_t first, std::uint64_t lru_hits, std::uint64_t optimum) {
    Point made{.trace = "made", .frames = 1, .results = {}, .optimum = {optimum, 100}};
    made.results.assign(names.size(), {first, 100});
    made.results[lru] = {lru_hits, 100};
    return made;
  };
  const std::vector points = {point(70, 60, 80), point(48, 50, 58), point(90, 90, 90)};
  const bench::Summary summary = bench::summarize(points, 0);
  REQUIRE(summary.points == 2);
  REQUIRE(summary.mean_regret == Approx(10));
  REQUIRE(summary.worst_regret == Approx(10));
  REQUIRE(summary.worst_against_lru == Approx(-2));
  REQUIRE(summary.mean_fewer_misses == Approx((25.0 - 4.0) / 2));
  REQUIRE(bench::summary_table(points).find("2 of 3 points") != std::string::npos);
  REQUIRE(bench::hits_table(points).find("| made | 1 | 70.00 |") != std::string::npos);
}

TEST_CASE("Replay: pool sizes are shares of the trace's pages, never 0", "[pool][replay]") {
  const Trace trace = make_trace("random", random_words(1, 2000, 60));
  const std::vector<unsigned> percents = {1, 50, 100};
  const auto points = bench::measure(trace, percents);
  REQUIRE(points.size() == 3);
  REQUIRE(points[0].frames == std::max(1U, trace.page_count() / 100));
  REQUIRE(points[1].frames == trace.page_count() / 2);
  // With room for every page, every policy is the optimum.
  for (const auto& result : points[2].results) REQUIRE(result.hits == points[2].optimum.hits);
}

}  // namespace sqlitemem::tests
