// Quantiles, shares and ratios of errors.
#include "allocators/pressure/forecast_errors.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace sqlitemem {

void RecentErrors::add(double error) noexcept {
  const auto stored = static_cast<float>(error);
  std::uint8_t* const begin = by_size_.data();
  if (size_ == most) {
    auto* const oldest = static_cast<std::uint8_t*>(std::memchr(begin, next_, size_));
    std::copy(oldest + 1, begin + size_, oldest);
    --size_;
  }
  std::uint8_t* const place =
      std::upper_bound(begin, begin + size_, stored,
                       [this](float value, std::uint8_t index) { return value < errors_[index]; });
  std::copy_backward(place, begin + size_, begin + size_ + 1);
  *place = next_;
  ++size_;
  errors_[next_] = stored;
  next_ = static_cast<std::uint8_t>(next_ + 1U == most ? 0 : next_ + 1);
}

void RecentErrors::rescale(double factor) noexcept {
  for (float& error : errors_) error *= static_cast<float>(factor);
}

std::optional<double> RecentErrors::half_width() const noexcept {
  if (size_ < enough) return std::nullopt;
  // One more than there are, for the error that is to come.
  const auto rank = static_cast<std::size_t>(std::ceil(quantile * (size_ + 1)));
  return errors_[by_size_[std::min<std::size_t>(rank, size_) - 1]];
}

std::optional<Violation> RecentErrors::find_violation() const noexcept {
  std::array<bool, most> is_listed{};
  for (std::size_t i = 0; i < size_; ++i) {
    if (by_size_[i] >= size_) return Violation{"an index is of an error", size_, by_size_[i]};
    if (is_listed[by_size_[i]]) return Violation{"an error is listed once", 1, 2};
    is_listed[by_size_[i]] = true;
    if (i > 0 && errors_[by_size_[i]] < errors_[by_size_[i - 1]]) {
      return Violation{"errors are in ascending order", i, i - 1};
    }
  }
  return std::nullopt;
}

std::size_t AccuracyByWidth::bucket_of(double half_width) noexcept {
  return static_cast<std::size_t>(std::lower_bound(bounds.begin(), bounds.end(), half_width) -
                                  bounds.begin());
}

void AccuracyByWidth::add(double half_width, bool is_accurate) noexcept {
  Count& count = counts_[bucket_of(half_width)];
  if (count.all == most) {
    count.all /= 2;
    count.accurate /= 2;
  }
  ++count.all;
  if (is_accurate) ++count.accurate;
}

std::optional<double> AccuracyByWidth::share(double half_width) const noexcept {
  const Count& count = counts_[bucket_of(half_width)];
  if (count.all < enough) return std::nullopt;
  return static_cast<double>(count.accurate) / count.all;
}

void SkillMeter::add(double error, double persistence_error) noexcept {
  error_ += weight_ * (error - error_);
  persistence_error_ += weight_ * (persistence_error - persistence_error_);
}

void SkillMeter::rescale(double factor) noexcept {
  error_ *= factor;
  persistence_error_ *= factor;
}

double SkillMeter::skill() const noexcept {
  constexpr double least_error = 1e-9;
  return persistence_error_ > least_error ? 1 - error_ / persistence_error_ : 0;
}

double SkillMeter::trust() const noexcept {
  const double own = error_ * error_;
  const double other = persistence_error_ * persistence_error_;
  return own <= other ? 1 : 2 * other / (own + other);
}

}  // namespace sqlitemem
