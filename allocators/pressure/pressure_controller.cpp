// The stages, the burst reserve and the learned effects. All times are those of the samples.
#include "allocators/pressure/pressure_controller.h"

#include <algorithm>
#include <cmath>

#include "allocators/base/bytes.h"
#include "allocators/base/clock.h"

namespace sqlitemem {
namespace {

using Limits = PressureThresholds;

constexpr double first_interval_seconds = 1;
constexpr std::uint64_t longest_interval_ns = 10'000'000'000;
/// One sample is never proof of a whole calm time, however long ago the last one was.
constexpr std::uint64_t most_calm_per_sample_ns = Limits::calm_ns / 2;
/// Closer samples are not remembered: the ring has to reach back by a rise's time.
constexpr std::uint64_t least_position_distance_ns = 90'000'000;
/// A stage that handed over is not judged anew by one action.
constexpr double effect_after_hand_over = 0.5;
constexpr std::uint64_t shortest_check_ns = 100'000'000, longest_check_ns = 1'000'000'000;
/// More than the limit by half, and it does not matter by how much.
constexpr double greatest_ratio = 1.5;

double ratio(std::uint64_t bytes, std::uint64_t limit_bytes) noexcept {
  return std::min(greatest_ratio, static_cast<double>(bytes) / static_cast<double>(limit_bytes));
}

ResponseStage above(ResponseStage stage) noexcept {
  return static_cast<ResponseStage>(static_cast<unsigned>(stage) + 1);
}
ResponseStage below(ResponseStage stage) noexcept {
  return static_cast<ResponseStage>(static_cast<unsigned>(stage) - 1);
}

/// Refusal frees as emergency does.
std::size_t effect_index(ResponseStage stage) noexcept {
  return static_cast<std::size_t>(std::min(stage, ResponseStage::emergency)) - 1;
}

}  // namespace

std::uint64_t PressureController::elapsed_since_last(std::uint64_t at_ns) noexcept {
  const std::uint64_t last_ns = last_at_ns_.value_or(at_ns);
  last_at_ns_ = std::max(at_ns, last_ns);
  return at_ns > last_ns ? std::min(at_ns - last_ns, longest_interval_ns) : 0;
}

/// Between two remembered positions the way is taken to be straight.
std::uint64_t PressureController::position_before(std::uint64_t at_ns) const noexcept {
  const auto back = [&](std::size_t steps) {
    return positions_[(next_ + 2 * position_count - 1 - steps) % position_count];
  };
  Position later = back(0);
  for (std::size_t steps = 1; steps < remembered_ && later.at_ns > at_ns; steps++) {
    const Position earlier = back(steps);
    if (earlier.at_ns <= at_ns) {
      const double part = static_cast<double>(at_ns - earlier.at_ns) /
                          static_cast<double>(later.at_ns - earlier.at_ns);
      const double from = static_cast<double>(earlier.bytes);
      return static_cast<std::uint64_t>(from + part * (static_cast<double>(later.bytes) - from));
    }
    later = earlier;
  }
  return later.bytes;
}

void PressureController::remember(Position position) noexcept {
  if (remembered_ > 0) {
    const Position& newest = positions_[(next_ + position_count - 1) % position_count];
    if (position.at_ns < newest.at_ns ||
        position.at_ns - newest.at_ns < least_position_distance_ns) {
      return;
    }
  }
  positions_[next_] = position;
  next_ = (next_ + 1) % position_count;
  remembered_ = std::min(remembered_ + 1, position_count);
}

/// So that the newest has `bytes`: rises stay what they were.
void PressureController::move_positions_to(std::uint64_t bytes) noexcept {
  const std::uint64_t newest = positions_[(next_ + position_count - 1) % position_count].bytes;
  for (Position& position : positions_) {
    position.bytes = bytes >= newest ? position.bytes + (bytes - newest)
                                     : at_least_zero(position.bytes, newest - bytes);
  }
}

void PressureController::learn_reserve(const UsageSample& sample, std::uint64_t used_bytes,
                                       double elapsed_seconds) noexcept {
  const Position now{.at_ns = sample.at_ns, .bytes = used_bytes + freed_bytes_};
  if (sample.limit_id != limit_id_ && remembered_ > 0) move_positions_to(now.bytes);
  limit_id_ = sample.limit_id;
  // Samples further apart than that leave more time for a rise that nobody answers.
  const std::uint64_t then_ns = sample.at_ns > Limits::rise_ns ? sample.at_ns - Limits::rise_ns : 0;
  double rise = 0;
  if (remembered_ > 0) {
    const Position newest = positions_[(next_ + position_count - 1) % position_count];
    const std::uint64_t then = newest.at_ns <= then_ns ? newest.bytes : position_before(then_ns);
    rise = now.bytes > then ? ratio(now.bytes - then, sample.limit_bytes) : 0;
  }
  remember(now);
  const double left = std::pow(Limits::reserve_per_second, elapsed_seconds);
  reserve_ =
      std::max({Limits::least_reserve, left * reserve_, std::min(Limits::greatest_rise, rise)});
}

void PressureController::learn_speed(const UsageSample& sample, double elapsed_seconds) noexcept {
  const double requested = ratio(requested_since_, sample.limit_bytes);
  const double freed = ratio(freed_since_, sample.limit_bytes);
  requested_since_ = freed_since_ = 0;
  if (elapsed_seconds <= 0 || requested < Limits::slow_reclaim * elapsed_seconds) return;
  const double speed = freed / elapsed_seconds;
  reclaim_speed_ = reclaim_speed_.value_or(speed) +
                   Limits::effect_weight * (speed - reclaim_speed_.value_or(speed));
}

bool PressureController::enters(ResponseStage stage) const noexcept {
  const bool is_slow = reclaim_speed_ && *reclaim_speed_ < Limits::slow_reclaim;
  switch (stage) {
    case ResponseStage::none:
      return true;
    case ResponseStage::gentle:
      return used_ >= Limits::gentle_used ||
             expected_ >= (is_slow ? Limits::gentle_expected_slow : Limits::gentle_expected);
    case ResponseStage::aggressive:
      return expected_ >= Limits::aggressive_expected;
    case ResponseStage::emergency:
      return used_ >= Limits::emergency_used ||
             (expected_ >= Limits::emergency_expected && used_ >= Limits::emergency_expected_used);
    case ResponseStage::refusal:
      return used_ >= Limits::refusal_used;
  }
  return false;
}

bool PressureController::is_calm(ResponseStage stage) const noexcept {
  const bool is_slow = reclaim_speed_ && *reclaim_speed_ < Limits::slow_reclaim;
  const double gentle = is_slow ? Limits::gentle_expected_slow : Limits::gentle_expected;
  switch (stage) {
    case ResponseStage::none:
      return false;
    case ResponseStage::gentle:
      return expected_ < gentle - Limits::exit_margin &&
             used_ < Limits::gentle_used - Limits::exit_margin;
    case ResponseStage::aggressive:
      return expected_ < Limits::aggressive_expected - Limits::exit_margin;
    case ResponseStage::emergency:
      return expected_ < Limits::emergency_exit_expected || used_ < Limits::emergency_exit_used;
    case ResponseStage::refusal:
      return used_ < Limits::refusal_exit_used;
  }
  return false;
}

void PressureController::set_stage(ResponseStage stage) noexcept {
  stage_ = stage;
  calm_ns_ = 0;
}

void PressureController::move_stage(std::uint64_t elapsed_ns) noexcept {
  ResponseStage wanted =
      mode_ == ResponseMode::full ? ResponseStage::refusal : ResponseStage::emergency;
  while (!enters(wanted)) wanted = below(wanted);
  if (wanted > stage_) {
    set_stage(wanted);
  } else if (!is_calm(stage_) || (stage_ > ResponseStage::none && enters(stage_))) {
    calm_ns_ = 0;
  } else {
    calm_ns_ += std::min(elapsed_ns, most_calm_per_sample_ns);
    if (stage_ == ResponseStage::refusal || calm_ns_ >= Limits::calm_ns) set_stage(below(stage_));
  }
  // Orders of a stage that have no effect cannot bring usage down; those of the next may.
  const bool may_hand_over = stage_ == ResponseStage::gentle || stage_ == ResponseStage::aggressive;
  if (may_hand_over && effects_[effect_index(stage_)] < Limits::weak_effect &&
      !is_calm(above(stage_))) {
    effects_[effect_index(stage_)] = effect_after_hand_over;
    set_stage(above(stage_));
  }
}

double PressureController::share_to_free(double elapsed_seconds) const noexcept {
  const double excess = expected_ - Limits::target_expected;
  if (stage_ == ResponseStage::none || excess <= 0) return 0;
  const double need =
      excess / std::max(Limits::least_effect_counted, effects_[effect_index(stage_)]);
  switch (stage_) {
    case ResponseStage::gentle:
      return std::min(need * std::min(1.0, elapsed_seconds / Limits::gentle_spread_seconds),
                      Limits::gentle_speed * elapsed_seconds);
    case ResponseStage::aggressive:
      return std::min(need * std::min(1.0, elapsed_seconds / Limits::aggressive_spread_seconds),
                      Limits::aggressive_speed * elapsed_seconds);
    default:
      return std::min(need, Limits::emergency_speed * elapsed_seconds);
  }
}

/// As earlyoom sleeps: headroom by the greatest speed seen.
std::uint64_t PressureController::check_after() const noexcept {
  if (stage_ >= ResponseStage::emergency) return shortest_check_ns;
  const double rises = std::max(0.0, Limits::emergency_used - used_) / reserve_;
  const double wait_ns = rises * static_cast<double>(Limits::rise_ns);
  return std::clamp(static_cast<std::uint64_t>(wait_ns), shortest_check_ns, longest_check_ns);
}

PressureOrder PressureController::observe(const UsageSample& sample, ResponseMode mode) noexcept {
  const bool is_first = !last_at_ns_;
  const std::uint64_t elapsed_ns = elapsed_since_last(sample.at_ns);
  mode_ = mode;
  if (sample.limit_bytes == 0 || mode == ResponseMode::off) {
    set_stage(ResponseStage::none);
    if (sample.limit_bytes == 0) {
      remembered_ = 0;
      used_ = expected_ = 0;
      requested_since_ = freed_since_ = 0;
      return {};
    }
  }
  const double elapsed_seconds =
      is_first ? first_interval_seconds
               : static_cast<double>(elapsed_ns) / static_cast<double>(ns_per_second);
  learn_speed(sample, elapsed_seconds);
  const std::uint64_t used_bytes = at_least_zero(sample.used_bytes, sample.file_bytes);
  learn_reserve(sample, used_bytes, elapsed_seconds);
  used_ = ratio(used_bytes, sample.limit_bytes);
  expected_ = used_ + reserve_;
  PressureOrder order{.used_ratio = used_, .expected_ratio = expected_};
  if (mode == ResponseMode::off) return order;
  if (mode == ResponseMode::reclaim && stage_ == ResponseStage::refusal) {
    set_stage(ResponseStage::emergency);
  }
  move_stage(elapsed_ns);
  order.stage = stage_;
  order.bytes_to_free = static_cast<std::uint64_t>(share_to_free(elapsed_seconds) *
                                                   static_cast<double>(sample.limit_bytes));
  order.stops_growth = expected_ >= Limits::growth_stop_expected;
  order.check_after_ns = check_after();
  order.refuses = stage_ == ResponseStage::refusal;
  return order;
}

void PressureController::acted(ResponseStage stage, std::uint64_t requested_bytes,
                               std::uint64_t freed_bytes) noexcept {
  freed_bytes_ += freed_bytes;
  freed_since_ += freed_bytes;
  if (stage == ResponseStage::none || requested_bytes == 0) return;
  requested_since_ += requested_bytes;
  double& effect = effects_[effect_index(stage)];
  const double part =
      std::min(1.0, static_cast<double>(freed_bytes) / static_cast<double>(requested_bytes));
  effect += Limits::effect_weight * (part - effect);
}

double PressureController::effect_of(ResponseStage stage) const noexcept {
  SQLITEMEM_CHECK(stage != ResponseStage::none, stage, ResponseStage::gentle);
  return effects_[effect_index(stage)];
}

std::optional<Violation> PressureController::find_violation() const noexcept {
  constexpr auto number = [](auto value) { return static_cast<std::uint64_t>(value); };
  const ResponseStage highest = mode_ == ResponseMode::off       ? ResponseStage::none
                                : mode_ == ResponseMode::reclaim ? ResponseStage::emergency
                                                                 : ResponseStage::refusal;
  if (stage_ > highest) {
    return Violation{"the mode allows the stage", number(highest), number(stage_)};
  }
  for (const double effect : effects_) {
    // Said in percent.
    if (!(effect >= 0 && effect <= 1)) {
      return Violation{"an effect is in 0 … 1", 100, number(std::max(0.0, effect * 100))};
    }
  }
  if (!(reserve_ >= Limits::least_reserve && reserve_ <= Limits::greatest_rise)) {
    return Violation{"the reserve is within its bounds", number(Limits::greatest_rise * 100),
                     number(std::max(0.0, reserve_ * 100))};
  }
  if (remembered_ > position_count || next_ >= position_count) {
    return Violation{"the ring has its size", position_count, remembered_};
  }
  for (std::size_t steps = 1; steps < remembered_; steps++) {
    const std::size_t later = (next_ + position_count - steps) % position_count;
    const Position& earlier = positions_[(later + position_count - 1) % position_count];
    if (earlier.at_ns >= positions_[later].at_ns) {
      return Violation{"positions have ascending times", positions_[later].at_ns, earlier.at_ns};
    }
  }
  return std::nullopt;
}

}  // namespace sqlitemem
