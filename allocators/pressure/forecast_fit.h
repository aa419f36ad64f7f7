// The last minute of usage, one sample a second, and the straight line through it.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>

namespace sqlitemem {

/// At most 60 samples, oldest first. A full window drops its oldest sample.
class SampleWindow {
 public:
  static constexpr std::size_t most_samples = 60;

  /// `capacity`: 1 … most_samples; others are taken as the nearest of these.
  explicit SampleWindow(std::size_t capacity = most_samples) noexcept;

  void push(double value) noexcept;
  void add_to_all(double difference) noexcept;
  void multiply_all(double factor) noexcept;
  /// No effect if there are no more than `count`.
  void keep_last(std::size_t count) noexcept;
  void clear() noexcept { size_ = 0; }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] double newest() const noexcept { return samples_[size_ - 1]; }
  [[nodiscard]] std::span<const double> all() const noexcept { return {samples_.data(), size_}; }
  [[nodiscard]] std::span<const double> last(std::size_t count) const noexcept {
    return all().last(count < size_ ? count : size_);
  }

 private:
  std::array<double, most_samples> samples_{};
  std::size_t size_ = 0;
  std::size_t capacity_;
};

/// Ordinary least squares over samples at the times 0, 1, 2, … seconds.
struct LineFit {
  double slope = 0;   ///< Per second.
  double at_end = 0;  ///< The line's value at the last sample.
  /// One standard error of the slope if the residuals were independent of each other.
  double slope_error = 0;
  /// Of each residual with the one before it, 0 … 0.97; negative ones count as 0.
  double autocorrelation = 0;
  std::optional<double> r_squared = std::nullopt;  ///< nullopt: the samples are all the same.

  /// By how much an error grows when residuals resemble their neighbours, as memory's do: there
  /// are fewer independent samples than it seems. 1 … 8.1.
  [[nodiscard]] double inflation() const noexcept;
};

/// O(samples). Fewer than three: the slope is 0 and the line ends at the last sample.
[[nodiscard]] LineFit fit_line(std::span<const double> samples) noexcept;

/// The mean of |difference between neighbours|; 0 of fewer than two samples.
[[nodiscard]] double mean_step(std::span<const double> samples) noexcept;

}  // namespace sqlitemem
