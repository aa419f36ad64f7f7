// A transaction's course: what SQLite says becomes marks and resets of one arena.
#include "allocators/arena/transaction_arenas.h"

#include <algorithm>
#include <ctime>

#include "allocators/base/clock.h"
#include "allocators/base/greatest.h"

namespace sqlitemem {
namespace {

std::uint64_t exact_clock_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

TransactionArenaManager::TransactionArenaManager(ArenaDirectory& directory, ChunkSource& source,
                                                 std::uint64_t connection_id) noexcept
    : arena_(source), directory_(directory), connection_id_(connection_id) {
  directory_.enter(*this);
}

TransactionArenaManager::~TransactionArenaManager() {
  roll_back();
  directory_.leave(*this);
  directory_.note_released(arena_.reserved_bytes());
}

void TransactionArenaManager::set_profile(ArenaProfile profile) noexcept {
  profile_ = profile;
  arena_.set_sizes(sizes_of(profile).initial_bytes, sizes_of(profile).limit_bytes);
}

void TransactionArenaManager::begin(const ArenaRules& rules) noexcept {
  if (is_open_) return;
  const std::uint64_t now = coarse_clock_ns();
  directory_.trim_if_due(now, rules.purge_delay_ns);
  const std::uint64_t expected = std::max(expected_bytes_, std::exchange(hinted_bytes_, 0));
  const LockGuard guard(lock_);
  rules_ = rules;
  last_refusal_ = ArenaRefusal::none;
  set_profile(rules.profile.value_or(profile_for(expected).value_or(ArenaProfile::huge)));
  arena_id_ = directory_.next_arena_id();
  opened_at_ns_ = now;
  peak_bytes_ = limit_hits_ = 0;
  is_open_ = true;
  if constexpr (arena_poison::has_pattern) {
    const auto stale = arena_.find_stale_write();
    SQLITEMEM_CHECK(!stale, stale->address, stale->actual);
  }
}

void TransactionArenaManager::end(Ending ending) noexcept {
  if (!is_open_) return;
  const std::uint64_t from = exact_clock_ns();
  const LockGuard guard(lock_);
  note_peak();
  const std::uint64_t allocations = arena_.allocations();
  ProfileCounters& counters = directory_.counters(profile_);
  arena_.reset();
  levels_.clear();
  root_ = nullptr;
  epoch_ = last_mark_epoch_ = 0;
  is_open_ = false;
  ++(ending == Ending::commit ? commits_ : rollbacks_);
  ended_at_ns_ = coarse_clock_ns();
  const std::uint64_t low = at_least_zero(expected_bytes_, peak_bytes_);
  expected_bytes_ = low == 0 ? peak_bytes_ : expected_bytes_ - divide_up(low, 4);
  if (arena_.reserved_bytes() > keep_bytes(false)) directory_.note_surplus();
  counters.allocations.fetch_add(allocations, std::memory_order_relaxed);
  counters.limit_hits.fetch_add(limit_hits_, std::memory_order_relaxed);
  (ending == Ending::commit ? counters.commits : counters.rollbacks)
      .fetch_add(1, std::memory_order_relaxed);
  raise_to(counters.peak_bytes, peak_bytes_);
  last_reset_ns_ = exact_clock_ns() - from;
  counters.last_reset_ns.store(*last_reset_ns_, std::memory_order_relaxed);
}

/// Before memory goes.
void TransactionArenaManager::note_peak() noexcept {
  peak_bytes_ = std::max(peak_bytes_, arena_.used_bytes());
}

void TransactionArenaManager::note_last_mark() noexcept {
  last_mark_epoch_ = levels_.empty() ? 0 : levels_.back().epoch;
}

bool TransactionArenaManager::savepoint(std::size_t level) noexcept {
  if (!is_open_) return true;
  const LockGuard guard(lock_);
  if (level < levels_.size()) return true;
  Level mark;
  mark.start = arena_.position();
  mark.root = root_;
  mark.epoch = ++epoch_;
  mark.allocations = arena_.allocations();
  mark.opened_at_ns = coarse_clock_ns();
  try {
    levels_.resize(level + 1, mark);
  } catch (...) {
    return false;
  }
  note_last_mark();
  return true;
}

void TransactionArenaManager::release(std::size_t level) noexcept {
  const LockGuard guard(lock_);
  if (level >= levels_.size()) return;
  levels_.resize(level);
  note_last_mark();
}

void TransactionArenaManager::roll_back_to(std::size_t level) noexcept {
  const LockGuard guard(lock_);
  if (level >= levels_.size()) return;
  note_peak();
  levels_.resize(level + 1);
  Level& mark = levels_.back();
  arena_.rewind(mark.start);
  root_ = mark.root;
  ++mark.rollbacks;
  note_last_mark();
}

void TransactionArenaManager::roll_back_to_start() noexcept {
  const LockGuard guard(lock_);
  note_peak();
  levels_.clear();
  arena_.rewind({});
  root_ = nullptr;
  note_last_mark();
}

std::size_t TransactionArenaManager::levels() noexcept {
  const LockGuard guard(lock_);
  return levels_.size();
}

bool TransactionArenaManager::move_up(std::size_t bytes) noexcept {
  const LockGuard guard(lock_);
  ++limit_hits_;
  if (!rules_.may_grow || bytes > arena_profiles.back().limit_bytes) return false;
  const auto next = profile_for(arena_.used_bytes() + round_up(bytes, Arena::alignment));
  if (!next) return false;
  set_profile(*next);
  return true;
}

void* TransactionArenaManager::allocate_slow(std::size_t bytes) noexcept {
  if (!is_open_) {
    last_refusal_ = ArenaRefusal::not_open;
    return nullptr;
  }
  bytes = std::max<std::size_t>(bytes, 1);
  for (;;) {
    const std::uint64_t reserved = arena_.reserved_bytes();
    const Arena::Growth growth = arena_.grow(bytes);
    if (growth == Arena::Growth::ok) {
      directory_.note_reserved(arena_.reserved_bytes() - reserved);
      return arena_.allocate(bytes);
    }
    if (growth == Arena::Growth::no_memory) {
      last_refusal_ = ArenaRefusal::no_memory;
      return nullptr;
    }
    if (!move_up(bytes)) {
      last_refusal_ = ArenaRefusal::over_limit;
      return nullptr;
    }
    // The chunk may have room that the lower limit did not allow to use.
    if (void* const block = arena_.allocate(bytes)) return block;
  }
}

void TransactionArenaManager::expect(std::uint64_t bytes) noexcept {
  if (!is_open_) {
    hinted_bytes_ = bytes;
    return;
  }
  const auto wanted = profile_for(bytes).value_or(ArenaProfile::huge);
  if (wanted <= profile_ || !rules_.may_grow) return;
  const LockGuard guard(lock_);
  set_profile(wanted);
}

/// Between transactions: what the next one will need, with some room, so that two alike fit in each
/// other's chunks.
std::uint64_t TransactionArenaManager::keep_bytes(bool all) const noexcept {
  if (all || expected_bytes_ == 0) return 0;
  const ArenaProfile profile = profile_for(expected_bytes_).value_or(ArenaProfile::huge);
  return std::max<std::uint64_t>(sizes_of(profile).initial_bytes,
                                 expected_bytes_ + expected_bytes_ / 8);
}

std::optional<Violation> TransactionArenaManager::find_violation() noexcept {
  const LockGuard guard(lock_);
  if (auto broken = arena_.find_violation()) return broken;
  if (!is_open_ && !levels_.empty()) {
    return Violation{"no savepoint outlives its transaction", 0, levels_.size()};
  }
  std::uint64_t used = 0, epoch = 0;
  for (const Level& level : levels_) {
    const std::uint64_t here = arena_.used_until(level.start);
    if (here < used) return Violation{"a deeper savepoint is not before its parent", used, here};
    if (level.epoch < epoch) return Violation{"epochs grow with the levels", epoch, level.epoch};
    used = here;
    epoch = level.epoch;
  }
  if (const std::uint64_t all = arena_.used_bytes(); all < used) {
    return Violation{"the cursor is behind every savepoint", used, all};
  }
  return std::nullopt;
}

}  // namespace sqlitemem
