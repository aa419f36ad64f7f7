// The window of samples, and the line through it.
#include "allocators/pressure/forecast_fit.h"

#include <algorithm>
#include <cmath>

namespace sqlitemem {

SampleWindow::SampleWindow(std::size_t capacity) noexcept
    : capacity_(std::clamp(capacity, std::size_t{1}, most_samples)) {}

void SampleWindow::push(double value) noexcept {
  if (size_ == capacity_) keep_last(capacity_ - 1);
  samples_[size_++] = value;
}

void SampleWindow::add_to_all(double difference) noexcept {
  for (std::size_t i = 0; i < size_; ++i) samples_[i] += difference;
}

void SampleWindow::multiply_all(double factor) noexcept {
  for (std::size_t i = 0; i < size_; ++i) samples_[i] *= factor;
}

void SampleWindow::keep_last(std::size_t count) noexcept {
  if (count >= size_) return;
  std::copy(samples_.begin() + static_cast<std::ptrdiff_t>(size_ - count),
            samples_.begin() + static_cast<std::ptrdiff_t>(size_), samples_.begin());
  size_ = count;
}

double LineFit::inflation() const noexcept {
  return std::sqrt((1 + autocorrelation) / (1 - autocorrelation));
}

LineFit fit_line(std::span<const double> samples) noexcept {
  if (samples.size() < 3) {
    return {.at_end = samples.empty() ? 0 : samples.back()};
  }
  const auto count = static_cast<double>(samples.size());
  const double middle = (count - 1) / 2;
  double sum = 0;
  double moment = 0;
  double time = -middle;
  for (const double sample : samples) {
    sum += sample;
    moment += time * sample;
    time += 1;
  }
  const double mean = sum / count;
  const double time_squares = count * (count * count - 1) / 12;  // Of 0, 1, … about their mean.
  const double slope = moment / time_squares;

  double squares = 0;      // Of the residuals.
  double neighbours = 0;   // Products of residuals that follow each other.
  double all_squares = 0;  // About the mean.
  double before = 0;
  time = -middle;
  for (const double sample : samples) {
    const double residual = sample - mean - slope * time;
    squares += residual * residual;
    neighbours += residual * before;
    all_squares += (sample - mean) * (sample - mean);
    before = residual;
    time += 1;
  }
  // Equal samples differ from their mean by what rounding does.
  const double rounding = count * mean * mean * 1e-28;
  return {
      .slope = slope,
      .at_end = mean + slope * middle,
      .slope_error = std::sqrt(squares / (count - 2) / time_squares),
      .autocorrelation = squares > 0 ? std::clamp(neighbours / squares, 0.0, 0.97) : 0.0,
      .r_squared = all_squares > rounding ? std::optional(std::max(0.0, 1 - squares / all_squares))
                                          : std::nullopt,
  };
}

double mean_step(std::span<const double> samples) noexcept {
  if (samples.size() < 2) return 0;
  double sum = 0;
  for (std::size_t i = 1; i < samples.size(); ++i) sum += std::abs(samples[i] - samples[i - 1]);
  return sum / static_cast<double>(samples.size() - 1);
}

}  // namespace sqlitemem
