// How much is sampled, when the past fades, and which size is recommended.
#include "allocators/pool/pool_adviser.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "allocators/base/bytes.h"
#include "allocators/base/thread_id.h"

namespace sqlitemem {
namespace {

/// A mini pool that was told of fewer references says little.
constexpr double least_samples = 200;
/// Past references count half after as many as the budget has frames, times this, …
constexpr std::uint64_t half_life_per_frame = 64;
/// … but not before so many, so that a small pool has something to judge by.
constexpr std::uint64_t least_half_life = 2'000'000;

/// The share of the pages that is sampled at most. Small pools need a larger one, because a sample
/// of a few dozen pages says nothing; large ones have enough pages in a small one, and every
/// sampled miss costs 1500 instructions. From 2000 to 6000 frames it is one page in sixteen, with
/// 60,000 (256 MB) one in 160.
double most_rate(std::uint64_t budget_frames) noexcept {
  const auto frames = static_cast<double>(std::max<std::uint64_t>(budget_frames, 1));
  const double large = std::clamp(375 / frames, 1.0 / 256, 1.0 / 16);
  return std::max(large, std::min(125 / frames, 1.0 / 4));
}

template <std::size_t... I>
std::size_t sampler_bytes(PolicyKind policy, std::index_sequence<I...>) noexcept {
  std::size_t bytes = 0;
  ((I == static_cast<std::size_t>(policy)
        ? bytes = ReferenceSampler<std::variant_alternative_t<I, AnyPolicy>>::bytes_needed()
        : 0),
   ...);
  return bytes;
}

template <std::size_t I = 0, class Variant>
void emplace_sampler(Variant& sampler, PolicyKind policy) noexcept {
  if constexpr (I < policy_count) {
    if (I == static_cast<std::size_t>(policy))
      return static_cast<void>(sampler.template emplace<I + 1>());
    emplace_sampler<I + 1>(sampler, policy);
  }
}

/// Not std::visit, which may throw: the variant always holds a value.
template <std::size_t I = 1, class Variant, class Use>
void use_sampler(Variant& sampler, Use& use) noexcept {
  if constexpr (I < std::variant_size_v<Variant>) {
    if (auto* running = std::get_if<I>(&sampler)) return static_cast<void>(use(*running));
    use_sampler<I + 1>(sampler, use);
  }
}

}  // namespace

std::optional<std::size_t> PoolAdvice::recommended() const noexcept {
  if (!std::ranges::all_of(sizes,
                           [](const SizeAdvice& size) { return size.hit_ratio.has_value(); }))
    return std::nullopt;
  const double most = (1 - *sizes.back().hit_ratio) * 1.1 + 0.001;
  for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
    if (1 - *sizes[i].hit_ratio <= most) return i;
  }
  return sizes.size() - 1;
}

std::size_t PoolAdviser::bytes_needed(PolicyKind policy) noexcept {
  return round_up(sampler_bytes(policy, std::make_index_sequence<policy_count>{}), page_bytes);
}

void PoolAdviser::start(PolicyKind policy, void* block, PageSource& pages) noexcept {
  policy_ = policy;
  block_ = static_cast<std::byte*>(block);
  bytes_ = bytes_needed(policy);
  pages_ = &pages;
}

template <class Use>
void PoolAdviser::with_sampler(Use use) noexcept {
  use_sampler(sampler_, use);
}

void PoolAdviser::publish_threshold() noexcept {
  std::uint32_t threshold = 0;
  with_sampler([&](const auto& sampler) { threshold = sampler.threshold(); });
  if (threshold != threshold_.load(std::memory_order_relaxed))
    threshold_.store(threshold, std::memory_order_relaxed);
}

void PoolAdviser::begin(std::uint64_t budget_frames) noexcept {
  const LockGuard guard(lock_);
  clear_inbox();
  if (is_used_) std::memset(block_, 0, bytes_);
  is_used_ = true;
  begun_with_frames_ = frames_ = budget_frames;
  emplace_sampler(sampler_, policy_);
  with_sampler(
      [&](auto& sampler) { sampler.start(block_, budget_frames, most_rate(budget_frames)); });
  publish_threshold();
}

PoolAdviser::Change PoolAdviser::set_budget(std::uint64_t budget_frames) noexcept {
  const LockGuard guard(lock_);
  if (budget_frames == frames_ || !is_running()) return Change::none;
  if (budget_frames * 5 > begun_with_frames_ * 6 || budget_frames * 6 < begun_with_frames_ * 5)
    return Change::too_much;
  frames_ = budget_frames;
  const std::uint32_t before = threshold_.load(std::memory_order_relaxed);
  with_sampler([&](auto& sampler) { sampler.set_budget(budget_frames); });
  publish_threshold();
  return threshold_.load(std::memory_order_relaxed) > before ? Change::more_pages : Change::none;
}

void PoolAdviser::stop() noexcept {
  const LockGuard guard(lock_);
  sampler_.emplace<std::monostate>();
  clear_inbox();
  publish_threshold();
  if (is_used_ && pages_->decommit(block_, bytes_)) is_used_ = false;
}

void PoolAdviser::reference(std::uint64_t key_hash) noexcept {
  const LockGuard guard(lock_);
  with_sampler([&](auto& sampler) {
    if (sampler.is_sampled(key_hash)) sampler.reference(key_hash);
  });
  publish_threshold();
}

/// false: there is no room. `is_full`: somebody should empty it.
bool PoolAdviser::put_in_inbox(std::span<const std::uint64_t> key_hashes, bool& is_full) noexcept {
  const LockGuard guard(inbox_lock_);
  is_full = inbox_count_ + key_hashes.size() >= most_for_next_home;
  if (inbox_count_ + key_hashes.size() > inbox_.size()) return false;
  std::ranges::copy(key_hashes, inbox_.begin() + inbox_count_);
  inbox_count_ += static_cast<std::uint32_t>(key_hashes.size());
  return true;
}

void PoolAdviser::clear_inbox() noexcept {
  const LockGuard guard(inbox_lock_);
  inbox_count_ = 0;
}

std::uint32_t PoolAdviser::take_from_inbox() noexcept {
  std::array<std::uint64_t, most_at_a_visit> taken;
  std::uint32_t count = 0;
  {
    const LockGuard guard(inbox_lock_);
    count = std::min<std::uint32_t>(inbox_count_, taken.size());
    inbox_count_ -= count;
    std::copy_n(inbox_.begin(), count, taken.begin());
    std::copy_n(inbox_.begin() + count, inbox_count_, inbox_.begin());
  }
  with_sampler([&](auto& sampler) {
    for (const std::uint64_t key_hash : std::span(taken).first(count)) {
      if (sampler.is_sampled(key_hash)) sampler.reference(key_hash);
    }
  });
  publish_threshold();
  return count;
}

void PoolAdviser::empty_inbox() noexcept {
  while (take_from_inbox() != 0) {
  }
}

bool PoolAdviser::is_home_of(std::uint64_t thread) const noexcept {
  const std::uint64_t home = home_.load(std::memory_order_relaxed);
  return (home & anyone_but) == 0 ? home == thread : home != (anyone_but | thread);
}

void PoolAdviser::references(std::span<const std::uint64_t> key_hashes) noexcept {
  SQLITEMEM_CHECK(key_hashes.size() <= most_at_once, key_hashes.size(), most_at_once);
  const std::uint64_t self = current_thread_id();
  bool is_full = false;
  while (!put_in_inbox(key_hashes, is_full)) {
    const LockGuard guard(lock_);
    take_from_inbox();
  }
  if (!is_full && !is_home_of(self)) return;
  // Who has the lock will be back soon.
  if (!lock_.try_lock()) return;
  if (home_.load(std::memory_order_relaxed) != self) {
    home_.store(self, std::memory_order_relaxed);
    for_others_ = 0;
  }
  if (take_from_inbox() > key_hashes.size()) ++for_others_;
  if (for_others_ == most_for_others) home_.store(anyone_but | self, std::memory_order_relaxed);
  lock_.unlock();
}

void PoolAdviser::forget_counts(const ReferenceCounts& so_far) noexcept {
  const LockGuard guard(lock_);
  empty_inbox();
  counted_ = so_far;
  references_ = misses_ = 0;
  since_aged_ = 0;
  with_sampler([](auto& sampler) { sampler.forget_counts(); });
}

void PoolAdviser::count(const ReferenceCounts& so_far) noexcept {
  const LockGuard guard(lock_);
  // Less than before: a cache counted on while the statistics were reset.
  const auto since = [](std::uint64_t now, std::uint64_t before) {
    return now - std::min(now, before);
  };
  const std::uint64_t more = since(so_far.references, counted_.references);
  references_ += static_cast<double>(more);
  misses_ += static_cast<double>(since(so_far.misses, counted_.misses));
  counted_ = so_far;
  since_aged_ += more;
  const bool is_old = since_aged_ >= std::max(least_half_life, frames_ * half_life_per_frame);
  if (is_old) {
    since_aged_ = 0;
    references_ /= 2;
    misses_ /= 2;
  }
  with_sampler([&](auto& sampler) {
    sampler.count_references(more);
    if (is_old) sampler.age();
  });
}

double PoolAdviser::correction() noexcept {
  constexpr std::size_t present = 3;
  static_assert(BudgetForecast<S3Fifo>::factors[present] == 1);
  std::optional<double> hit_ratio;
  with_sampler([&](const auto& sampler) { hit_ratio = sampler.scenario(present).hit_ratio; });
  if (!hit_ratio || *hit_ratio >= 1 || misses_ < least_samples) return 1;
  // More than this is no chance: the pool does something that the sample does not show.
  return std::clamp(misses_ / references_ / (1 - *hit_ratio), 0.5, 2.0);
}

PoolAdvice PoolAdviser::advice(std::uint64_t budget_bytes) noexcept {
  PoolAdvice advice;
  const LockGuard guard(lock_);
  empty_inbox();
  const double corrected_by = correction();
  for (std::size_t i = 0; i < advice.sizes.size(); ++i) {
    SizeAdvice& size = advice.sizes[i];
    size.factor = BudgetForecast<S3Fifo>::factors[i];
    size.bytes = static_cast<std::uint64_t>(size.factor * static_cast<double>(budget_bytes));
    with_sampler([&](const auto& sampler) {
      const BudgetScenario scenario = sampler.scenario(i);
      size.samples = static_cast<std::uint64_t>(scenario.samples);
      if (scenario.samples < least_samples || !scenario.hit_ratio) return;
      size.hit_ratio = std::max(0.0, 1 - corrected_by * (1 - *scenario.hit_ratio));
    });
  }
  return advice;
}

std::optional<Violation> PoolAdviser::find_violation() noexcept {
  std::optional<Violation> broken;
  const LockGuard guard(lock_);
  empty_inbox();
  with_sampler([&](const auto& sampler) { broken = sampler.find_violation(); });
  return broken;
}

}  // namespace sqlitemem
