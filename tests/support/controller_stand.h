// A pressure controller with a clock of its own, fed with shares of a limit.
#pragma once

#include <cmath>
#include <cstdint>

#include "allocators/pressure/pressure_controller.h"
#include "tests/support/catch.h"

namespace sqlitemem::tests {

inline constexpr std::uint64_t stand_limit_bytes = 1'000'000'000;

/// Every step checks the controller's invariants.
class ControllerStand {
 public:
  explicit ControllerStand(ResponseMode mode = ResponseMode::full, double interval_seconds = 1)
      : mode_(mode), interval_seconds_(interval_seconds) {}

  PressureOrder see(double used) {
    now_ns_ += static_cast<std::uint64_t>(interval_seconds_ * 1e9);
    order_ =
        controller_.observe({.at_ns = now_ns_,
                             .used_bytes = static_cast<std::uint64_t>(used * stand_limit_bytes),
                             .limit_bytes = stand_limit_bytes,
                             .limit_id = limit_id_},
                            mode_);
    const auto broken = controller_.find_violation();
    REQUIRE_FALSE(broken.has_value());
    return order_;
  }
  /// As often, with the same usage.
  PressureOrder see_for(double seconds, double used) {
    for (long left = std::lround(seconds / interval_seconds_); left > 0; left--) see(used);
    return order_;
  }
  void climb(double used, double per_sample, int samples) {
    for (int sample = 0; sample < samples; sample++) see(used + sample * per_sample);
  }
  /// `used` after a rise of `reserve`, which so becomes the burst reserve.
  PressureOrder rise_to(double used, double reserve) {
    see(used - reserve);
    return see(used);
  }
  void act(ResponseStage stage, double requested, double freed) {
    controller_.acted(stage, static_cast<std::uint64_t>(requested * stand_limit_bytes),
                      static_cast<std::uint64_t>(freed * stand_limit_bytes));
  }
  void set_mode(ResponseMode mode) { mode_ = mode; }
  void set_limit_id(std::uint32_t limit_id) { limit_id_ = limit_id; }
  void pass(double seconds) { now_ns_ += static_cast<std::uint64_t>(seconds * 1e9); }
  void turn_back(double seconds) { now_ns_ -= static_cast<std::uint64_t>(seconds * 1e9); }
  PressureController& controller() { return controller_; }

 private:
  PressureController controller_;
  PressureOrder order_;
  ResponseMode mode_;
  double interval_seconds_;
  std::uint64_t now_ns_ = 1'000'000'000'000;
  std::uint32_t limit_id_ = 1;
};

inline double share_of(const PressureOrder& order) {
  return static_cast<double>(order.bytes_to_free) / stand_limit_bytes;
}

}  // namespace sqlitemem::tests
