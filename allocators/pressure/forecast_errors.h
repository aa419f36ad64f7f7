// How wrong forecasts were of late, and what that says of the next one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "allocators/base/check.h"

namespace sqlitemem {

/// A forecast within so much of what came counts as accurate, as a share of the limit.
inline constexpr double accurate_error = 0.05;

/// The sizes of the last 240 errors, in order of arrival and in order of size.
///
/// Conformal prediction: whatever the errors are like, an interval as wide as four fifths of them
/// holds the next value four times out of five, if the series goes on as before. It does not
/// quite: with the plain quantile, intervals on series that were set aside for tuning held 78, 76
/// and 74 of a hundred values 30, 60 and 120 seconds ahead; with the quantile of 0.85 they held 82,
/// 80 and 78.
///
/// Invariants: (1) by_size_ holds each index below size_ once; (2) in ascending order of errors_.
class RecentErrors {
 public:
  static constexpr std::size_t most = 240;
  static constexpr std::size_t enough = 20;  ///< Fewer say nothing.
  static constexpr double quantile = 0.85;

  /// `error`: at least 0. O(240) bytes are moved.
  void add(double error) noexcept;
  /// `factor`: above 0.
  void rescale(double factor) noexcept;
  void clear() noexcept { size_ = next_ = 0; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// Half the width of an interval that holds four of five values; nullopt before there are enough.
  [[nodiscard]] std::optional<double> half_width() const noexcept;
  [[nodiscard]] std::optional<Violation> find_violation() const noexcept;

 private:
  friend struct RecentErrorsTestAccess;
  static_assert(most <= 256, "an index is a byte");

  std::array<float, most> errors_{};          ///< A ring.
  std::array<std::uint8_t, most> by_size_{};  ///< Indices into it.
  std::uint8_t size_ = 0, next_ = 0;
};

/// Of forecasts with intervals of a certain width, how many were accurate.
class AccuracyByWidth {
 public:
  static constexpr unsigned enough = 30;  ///< Forecasts of a width before anything is said of it.

  void add(double half_width, bool is_accurate) noexcept;
  void clear() noexcept { counts_ = {}; }
  /// 0 … 1; nullopt before there are enough.
  [[nodiscard]] std::optional<double> share(double half_width) const noexcept;

 private:
  /// Half widths up to each of these, and above.
  static constexpr std::array<double, 7> bounds = {0.01, 0.02, 0.035, 0.05, 0.08, 0.13, 0.25};
  /// When a width has as many, all its counts are halved: the past fades.
  static constexpr std::uint16_t most = 600;
  struct Count {
    std::uint16_t all = 0, accurate = 0;
  };
  [[nodiscard]] static std::size_t bucket_of(double half_width) noexcept;

  std::array<Count, bounds.size() + 1> counts_{};
};

/// The sizes of a forecaster's errors against those of persistence, at one horizon.
class SkillMeter {
 public:
  /// `weight`: of each new error, 0 … 1. The past fades accordingly.
  explicit SkillMeter(double weight) noexcept : weight_(weight) {}
  void add(double error, double persistence_error) noexcept;
  void rescale(double factor) noexcept;
  void clear() noexcept { error_ = persistence_error_ = 0; }
  /// 1: no errors at all; 0: no better than persistence, or nothing is known; negative: worse.
  [[nodiscard]] double skill() const noexcept;
  /// What the forecast deserves of 1, the rest being persistence's: 1 where it is at least as good,
  /// less the worse it is. Of two forecasts whose errors are independent, weights like the inverse
  /// squares of these would be best; twice that, because here they are anything but independent.
  [[nodiscard]] double trust() const noexcept;

 private:
  double weight_;
  double error_ = 0, persistence_error_ = 0;
};

}  // namespace sqlitemem
