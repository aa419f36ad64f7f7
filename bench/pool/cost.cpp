// Each operation alone, on a pool of 50,000 frames, with random pages.
#include "bench/pool/cost.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "bench/pool/replay.h"
#include "bench/support/child.h"
#include "bench/support/clock.h"
#include "bench/support/interleave.h"
#include "bench/support/random.h"

namespace sqlitemem::bench {
namespace {

constexpr FrameIndex frames = 50'000;
constexpr std::uint64_t timed_count = 2'000'000;
constexpr std::uint64_t counted = 200'000;

/// A full pool in the middle of its life: pages came back as ghosts, half of them were used again.
template <class Policy>
class Subject {
 public:
  Subject() : policy_(frames), random_(1) {
    for (FrameIndex frame = 0; frame < frames; ++frame) policy_->admit(frame, random_.next());
    // The same on both sides of every comparison, and long enough that queues have their sizes.
    for (FrameIndex i = 0; i < 2 * frames; ++i) policy_->on_reference(random_.below(frames));
    run_evictions(frames, 64, 0);
  }

  void run_references(std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) policy_->on_reference(random_.below(frames));
  }
  /// Eviction and admission, in batches. Of `pinned_percent` of the frames it is refused.
  void run_evictions(std::uint64_t count, std::size_t batch, FrameIndex pinned_percent) {
    std::array<FrameIndex, 64> victims{};
    const FrameIndex pinned = frames / 100 * pinned_percent;
    const auto is_evictable = [pinned](FrameIndex frame) { return frame >= pinned; };
    while (count > 0) {
      const std::size_t most = std::min<std::uint64_t>(batch, count);
      for (std::size_t i = 0; i < most; ++i) victims[i] = policy_->choose_victim(is_evictable);
      for (std::size_t i = 0; i < most; ++i) policy_->admit(victims[i], next_key());
      count -= most;
    }
  }

 private:
  // One page in four was here a while ago.
  std::uint64_t next_key() {
    ++pages_;
    return Random(pages_ % 4 == 0 ? pages_ - frames / 2 : pages_).next();
  }
  OwnedPolicy<Policy> policy_;
  Random random_;
  std::uint64_t pages_ = frames;
};

constexpr std::array<std::string_view, 5> operations = {"none", "reference", "evict_1", "evict_64",
                                                        "evict_64_half_pinned"};

template <class Policy>
double run_operation(std::string_view operation, std::uint64_t count) {
  Subject<Policy> subject;
  const std::uint64_t started_ns = thread_cpu_ns();
  if (operation == "reference") subject.run_references(count);
  if (operation == "evict_1") subject.run_evictions(count, 1, 0);
  if (operation == "evict_64") subject.run_evictions(count, 64, 0);
  if (operation == "evict_64_half_pinned") subject.run_evictions(count, 64, 50);
  return static_cast<double>(thread_cpu_ns() - started_ns) / static_cast<double>(count);
}

using Worker = double (*)(std::string_view operation, std::uint64_t count);

template <std::size_t... Index>
std::vector<std::pair<std::string_view, Worker>> workers(std::index_sequence<Index...>) {
  return {{std::variant_alternative_t<Index, AnyPolicy>::name,
           run_operation<std::variant_alternative_t<Index, AnyPolicy>>}...};
}

const std::vector<std::pair<std::string_view, Worker>>& all_workers() {
  static const auto all = workers(std::make_index_sequence<std::variant_size_v<AnyPolicy>>());
  return all;
}

std::optional<double> instructions(std::string_view policy, std::string_view operation,
                                   std::uint64_t count) {
  return count_instructions(
      {.arguments = {own_path(), fmt::format("--worker={}/{}", policy, operation),
                     fmt::format("--count={}", count)},
       .environment = {}});
}

}  // namespace

bool run_cost_worker(std::string_view name, std::uint64_t count, double& ns_per_operation) {
  const std::size_t slash = std::min(name.find('/'), name.size());
  const std::string_view operation = name.substr(std::min(slash + 1, name.size()));
  if (std::find(operations.begin(), operations.end(), operation) == operations.end()) return false;
  for (const auto& [policy, worker] : all_workers()) {
    if (policy != name.substr(0, slash)) continue;
    ns_per_operation = worker(operation, count);
    return true;
  }
  return false;
}

std::string cost_table() {
  std::string text =
      "Cost per operation, a pool of 50,000 frames, random pages; reference includes the choice "
      "of\n"
      "a random frame, eviction the admission of the next page:\n\n| policy |";
  for (const std::string_view operation : operations) {
    if (operation != "none") text += fmt::format(" {} |", operation);
  }
  text += "\n|---|---:|---:|---:|---:|\n";
  for (const auto& [policy, worker] : all_workers()) {
    text += fmt::format("| {} |", policy);
    const auto setup = instructions(policy, "none", counted);
    for (const std::string_view operation : operations) {
      if (operation == "none") continue;
      double best_ns = worker(operation, timed_count);
      for (int round = 0; round < 2; ++round) {
        best_ns = std::min(best_ns, worker(operation, timed_count));
      }
      text += fmt::format(" {:.1f} ns", best_ns);
      const auto all = setup ? instructions(policy, operation, counted) : std::nullopt;
      if (all) text += fmt::format(", {:.0f} instructions", (*all - *setup) / counted);
      text += " |";
    }
    text += "\n";
  }
  return text;
}

}  // namespace sqlitemem::bench
