// Feeds a sampler with a trace as the pool would, and replays the trace at every forecast size.
#include "bench/pool/advice.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "allocators/pool/recent_references.h"
#include "allocators/pool/reference_sampler.h"

namespace sqlitemem::bench {
namespace {

using Sampler = ReferenceSampler<S3Fifo>;

/// Pages that were dropped have another hash when they come back.
std::uint64_t hash_of_page(std::uint32_t page) {
  std::uint64_t key = (page + 1) * 0x9E3779B97F4A7C15;
  key = (key ^ (key >> 33)) * 0xFF51AFD7ED558CCD;
  key = (key ^ (key >> 33)) * 0xC4CEB9FE1A85EC53;
  return key ^ (key >> 33);
}

void feed(Sampler& sampler, const Trace& trace) {
  RecentReferences recent;
  for (const TraceEvent event : trace.events) {
    if (event.is_drop()) continue;
    const std::uint64_t hash = hash_of_page(event.number());
    if (sampler.is_sampled(hash) && !recent.is_repetition(hash)) sampler.reference(hash);
  }
  sampler.count_references(trace.references);
}

}  // namespace

std::vector<AdvicePoint> measure_advice(const Trace& trace, double most_rate) {
  const std::uint32_t budget = std::max(trace.page_count() / 10, 1U);
  const std::size_t bytes = MemoryCutter::rounded(Sampler::bytes_needed());
  const auto block =
      std::unique_ptr<void, void (*)(void*)>(std::aligned_alloc(64, bytes), std::free);
  if (block == nullptr) std::abort();
  std::fill_n(static_cast<std::byte*>(block.get()), bytes, std::byte{});
  const auto sampler = std::make_unique<Sampler>();
  sampler->start(block.get(), budget, most_rate);
  feed(*sampler, trace);
  std::vector<AdvicePoint> points;
  for (std::size_t i = 0; i < Sampler::scenario_count; ++i) {
    const BudgetScenario scenario = sampler->scenario(i);
    const auto frames = static_cast<std::uint32_t>(std::max<std::uint64_t>(scenario.frames, 1));
    points.push_back({.trace = trace.name,
                      .factor = scenario.factor,
                      .frames = frames,
                      .sampling_rate = scenario.sampling_rate,
                      .forecast = 100 * scenario.hit_ratio.value_or(0),
                      .replayed = replay<S3Fifo>(trace, frames).hit_percent(),
                      .lru_forecast = 100 * scenario.lru_hit_ratio.value_or(0),
                      .lru_replayed = replay<Lru>(trace, frames).hit_percent()});
  }
  return points;
}

std::string advice_table(std::span<const AdvicePoint> points) {
  std::string text = fmt::format(
      "Forecasts from sampled references, budget = a tenth of the pages, hits in percent:\n\n"
      "| trace | × budget | frames | sampled | {0} forecast | replayed | error | lru forecast |"
      " replayed | error |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
      S3Fifo::name);
  double largest = 0;
  double sum = 0;
  for (const AdvicePoint& point : points) {
    const double error = point.forecast - point.replayed;
    text += fmt::format("| {} | {:.2f} | {} | {:.2f} % | {:.2f} | {:.2f} | {:+.2f} |", point.trace,
                        point.factor, point.frames, 100 * point.sampling_rate, point.forecast,
                        point.replayed, error);
    text += fmt::format(" {:.2f} | {:.2f} | {:+.2f} |\n", point.lru_forecast, point.lru_replayed,
                        point.lru_forecast - point.lru_replayed);
    largest = std::max(largest, std::abs(error));
    sum += std::abs(error);
  }
  return text + fmt::format("\nError of {}: {:.2f} points on average, {:.2f} at most.\n",
                            S3Fifo::name, sum / static_cast<double>(points.size()), largest);
}

}  // namespace sqlitemem::bench
