// The sample of pages, its order by last reference, and the curve.
#include "allocators/pool/miss_curve.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "allocators/base/bytes.h"

namespace sqlitemem {
namespace {

constexpr std::size_t rounded(std::size_t bytes) { return round_up(bytes, 64); }

template <class T>
T* take(std::byte*& next, std::size_t count) {
  void* taken = next;
  next += rounded(count * sizeof(T));
  return static_cast<T*>(taken);
}

}  // namespace

std::size_t MissCurve::bytes_needed() noexcept {
  return rounded(entry_count * sizeof(Entry)) +
         2 * rounded((last_time + 1) * sizeof(std::uint16_t)) +
         rounded(step_count * sizeof(double));
}

void MissCurve::start(void* block, double most_rate) noexcept {
  *this = MissCurve();
  auto* next = static_cast<std::byte*>(block);
  entries_ = take<Entry>(next, entry_count);
  owners_ = take<std::uint16_t>(next, last_time + 1);
  counts_ = take<std::uint16_t>(next, last_time + 1);
  weights_ = take<double>(next, step_count);
  threshold_ = static_cast<std::uint32_t>(std::clamp(most_rate, 0.0, 1.0) * 4294967295.0);
}

std::size_t MissCurve::step_of(std::uint64_t frames) noexcept {
  if (frames < steps_per_doubling) return frames;
  const auto doublings = static_cast<unsigned>(std::bit_width(frames / steps_per_doubling));
  return std::min((frames >> (doublings - 1)) + (doublings - 1) * steps_per_doubling,
                  step_count - 1);
}

double MissCurve::first_of(std::size_t step) noexcept {
  if (step < steps_per_doubling) return static_cast<double>(step);
  const std::uint64_t mantissa = steps_per_doubling + step % steps_per_doubling;
  return static_cast<double>(mantissa << (step / steps_per_doubling - 1));
}

MissCurve::Entry& MissCurve::find(std::uint64_t key_hash) noexcept {
  std::uint32_t at = static_cast<std::uint32_t>(key_hash >> 40) % entry_count;
  while (entries_[at].time != 0 && entries_[at].key_hash() != key_hash) at = (at + 1) % entry_count;
  return entries_[at];
}

void MissCurve::add_time(std::uint32_t time, std::uint32_t amount) noexcept {
  for (; time <= last_time; time += time & (~time + 1)) {
    counts_[time] = static_cast<std::uint16_t>(counts_[time] + amount);
  }
}

std::uint32_t MissCurve::times_up_to(std::uint32_t time) const noexcept {
  std::uint32_t sum = 0;
  for (; time > 0; time -= time & (~time + 1)) sum += counts_[time];
  return sum;
}

SampledReference MissCurve::reference(std::uint64_t key_hash) noexcept {
  if (now_ == last_time) rebuild();
  Entry* entry = &find(key_hash);
  SampledReference seen{.frames_needed = ~std::uint64_t{0}, .weight = 1.0 / rate()};
  if (entry->time != 0) {
    const std::uint32_t since = entry->time == now_ ? 0 : pages_ - times_up_to(entry->time);
    // It needs room for the pages since, and for itself.
    seen.frames_needed = static_cast<std::uint64_t>(since * seen.weight) + 1;
    weights_[step_of(seen.frames_needed)] += seen.weight;
    if (entry->time == now_) return seen;
    add_time(entry->time, static_cast<std::uint32_t>(-1));
    owners_[entry->time] = 0;
  } else {
    first_uses_ += seen.weight;
    while (pages_ == max_pages) {
      threshold_ -= threshold_ / 8;
      rebuild();
    }
    if (!is_sampled(key_hash)) return seen;
    entry = &find(key_hash);
    entry->set_key(key_hash);
    ++pages_;
  }
  entry->time = ++now_;
  owners_[now_] = static_cast<std::uint16_t>(entry - entries_ + 1);
  add_time(now_, 1);
  return seen;
}

/// Numbers the times anew without gaps, and drops the pages above the threshold.
void MissCurve::rebuild() noexcept {
  std::array<std::uint64_t, max_pages> keys;  // 24 KiB on the stack, oldest first.
  std::uint32_t count = 0;
  for (std::uint32_t time = 1; time <= now_; ++time) {
    if (owners_[time] == 0) continue;
    const std::uint64_t key_hash = entries_[owners_[time] - 1].key_hash();
    if (is_sampled(key_hash)) keys[count++] = key_hash;
  }
  std::memset(entries_, 0, entry_count * sizeof(Entry));
  std::memset(owners_, 0, (last_time + 1) * sizeof(std::uint16_t));
  for (now_ = 0; now_ < count;) {
    Entry& entry = find(keys[now_]);
    entry.set_key(keys[now_]);
    entry.time = ++now_;
    owners_[now_] = static_cast<std::uint16_t>(&entry - entries_ + 1);
  }
  // The times 1 … count have owners. A node of the tree sums up as many times, back from its own,
  // as its lowest bit says.
  for (std::uint32_t time = 1; time <= last_time; ++time) {
    const std::uint32_t before = time & (time - 1);
    counts_[time] = static_cast<std::uint16_t>(std::min(time, count) - std::min(before, count));
  }
  pages_ = count;
}

void MissCurve::age() noexcept {
  for (std::size_t step = 0; step < step_count; ++step) weights_[step] /= 2;
  references_ /= 2;
  first_uses_ /= 2;
}

void MissCurve::forget_counts() noexcept {
  std::fill_n(weights_, step_count, 0.0);
  references_ = 0;
  first_uses_ = 0;
}

std::optional<double> MissCurve::hit_ratio(double frames) const noexcept {
  if (references_ <= 0) return std::nullopt;
  if (frames < 1) return 0;
  // Misses are counted, not hits: whether the few hottest pages are in the sample changes the hits
  // by a lot and the misses hardly. This is the paper's adjustment.
  double misses = first_uses_;
  for (std::size_t step = step_count; step > 0; --step) {
    const double first = first_of(step - 1);
    const double next = first_of(step);
    if (next - 1 <= frames) break;
    const double share = frames < first ? 1.0 : (next - 1 - frames) / (next - first);
    misses += weights_[step - 1] * share;
  }
  return std::clamp(1.0 - misses / references_, 0.0, 1.0);
}

std::optional<Violation> MissCurve::find_violation() const {
  std::uint32_t found = 0;
  for (std::uint32_t at = 0; at < entry_count; ++at) {
    const Entry& entry = entries_[at];
    if (entry.time == 0) continue;
    ++found;
    if (entry.time > now_) return Violation{"times are in the past", now_, entry.time};
    if (owners_[entry.time] != at + 1) {
      return Violation{"an entry owns its time", at + 1, owners_[entry.time]};
    }
    if (!is_sampled(entry.key_hash())) return Violation{"entries are in the sample", 1, 0};
  }
  if (found != pages_) return Violation{"pages are as many as counted", pages_, found};
  std::uint32_t owners = 0;
  for (std::uint32_t time = 1; time <= last_time; ++time) {
    owners += owners_[time] != 0 ? 1 : 0;
    if (times_up_to(time) != owners) {
      return Violation{"the tree sums up the owners", owners, times_up_to(time)};
    }
  }
  if (owners != pages_) return Violation{"each owner is a page", pages_, owners};
  return std::nullopt;
}

}  // namespace sqlitemem
