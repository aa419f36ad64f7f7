// The list of arenas: readings, trimming, fork.
#include "allocators/arena/arena_directory.h"

#include <algorithm>

#include "allocators/arena/transaction_arenas.h"
#include "allocators/base/check.h"

namespace sqlitemem {

void ArenaDirectory::enter(TransactionArenaManager& manager) noexcept {
  const LockGuard guard(lock_);
  manager.next_ = first_;
  first_ = &manager;
}

void ArenaDirectory::leave(TransactionArenaManager& manager) noexcept {
  const LockGuard guard(lock_);
  TransactionArenaManager** link = &first_;
  while (*link != &manager) {
    SQLITEMEM_CHECK(*link != nullptr, 0, 1);
    link = &(*link)->next_;
  }
  *link = manager.next_;
}

void ArenaDirectory::note_reserved(std::uint64_t more_bytes) noexcept {
  const std::uint64_t now =
      reserved_bytes_.fetch_add(more_bytes, std::memory_order_relaxed) + more_bytes;
  std::uint64_t seen = peak_reserved_bytes_.load(std::memory_order_relaxed);
  while (seen < now &&
         !peak_reserved_bytes_.compare_exchange_weak(seen, now, std::memory_order_relaxed)) {
  }
}

void TransactionArenaManager::read(ArenaReading& reading, ChunkClassifier classify) {
  ProfileFigures& profile = reading.profiles[static_cast<std::size_t>(profile_)];
  const std::uint64_t reserved = arena_.reserved_bytes();
  profile.reserved_bytes += reserved;
  reading.reserved_bytes += reserved;
  arena_.for_each_chunk([&](const void* chunk, std::uint64_t bytes) {
    reading.area_bytes[static_cast<std::size_t>(classify(chunk))] += bytes;
  });
  if (!is_open_) return;
  const std::uint64_t used = arena_.used_bytes();
  const std::uint64_t allocations = arena_.allocations();
  reading.used_bytes += used;
  ++profile.open_arenas;
  profile.used_bytes += used;
  profile.allocations += allocations;
  profile.limit_hits += limit_hits_;
  profile.peak_bytes = std::max({profile.peak_bytes, used, peak_bytes_});

  ArenaFigures figures;
  figures.arena_id = arena_id_;
  figures.connection_id = connection_id_;
  figures.profile = profile_;
  figures.reserved_bytes = reserved;
  figures.peak_bytes = std::max(used, peak_bytes_);
  figures.commits = commits_;
  figures.rollbacks = rollbacks_;
  figures.limit_hits = limit_hits_;
  figures.last_reset_ns = last_reset_ns_;
  figures.opened_at_ns = opened_at_ns_;
  std::uint64_t used_before = 0, allocations_before = 0;
  const auto add = [&](std::uint64_t used_until, std::uint64_t allocations_until) {
    // A rolled-back level's allocations count for the level that went back.
    figures.used_bytes = at_least_zero(used_until, used_before);
    figures.allocations = at_least_zero(allocations_until, allocations_before);
    if (figures.level > 0) figures.peak_bytes = figures.used_bytes;
    reading.arenas.push_back(figures);
    used_before = used_until;
    allocations_before = allocations_until;
  };
  for (const Level& level : levels_) {
    add(arena_.used_until(level.start), level.allocations);
    figures = {.arena_id = arena_id_,
               .connection_id = connection_id_,
               .level = figures.level + 1,
               .profile = profile_,
               .reserved_bytes = std::nullopt,
               .rollbacks = level.rollbacks,
               .last_reset_ns = std::nullopt,
               .opened_at_ns = level.opened_at_ns};
  }
  add(used, allocations);
}

ArenaReading ArenaDirectory::read(ChunkClassifier classify) {
  ArenaReading reading;
  for (std::size_t index = 0; index < arena_profile_count; ++index) {
    const ProfileCounters& from = counters_[index];
    ProfileFigures& to = reading.profiles[index];
    to.allocations = from.allocations.load(std::memory_order_relaxed);
    to.commits = from.commits.load(std::memory_order_relaxed);
    to.rollbacks = from.rollbacks.load(std::memory_order_relaxed);
    to.limit_hits = from.limit_hits.load(std::memory_order_relaxed);
    to.peak_bytes = from.peak_bytes.load(std::memory_order_relaxed);
    if (to.commits + to.rollbacks > 0) {
      to.last_reset_ns = from.last_reset_ns.load(std::memory_order_relaxed);
    }
  }
  {
    const LockGuard guard(lock_);
    for (auto* manager = first_; manager != nullptr; manager = manager->next_) {
      const LockGuard manager_guard(manager->lock_);
      manager->read(reading, classify);
    }
  }
  std::ranges::stable_sort(reading.arenas, {}, &ArenaFigures::connection_id);
  reading.peak_reserved_bytes =
      std::max(reading.reserved_bytes, peak_reserved_bytes_.load(std::memory_order_relaxed));
  return reading;
}

std::uint64_t ArenaDirectory::trim(std::uint64_t now_ns, std::uint64_t min_idle_ns,
                                   bool all) noexcept {
  const LockGuard guard(lock_);
  std::uint64_t released = 0;
  bool has_surplus = false;
  for (auto* manager = first_; manager != nullptr; manager = manager->next_) {
    // Whoever holds it is at work, and not idle.
    if (!manager->lock_.try_lock()) continue;
    Arena& arena = manager->arena_;
    Arena::Chunk* surplus = nullptr;
    const std::uint64_t reserved = arena.reserved_bytes();
    if (!manager->is_open_ && reserved > manager->keep_bytes(all)) {
      if (manager->ended_at_ns_ + min_idle_ns <= now_ns) {
        surplus = arena.detach_surplus(manager->keep_bytes(all));
        released += reserved - arena.reserved_bytes();
      } else {
        has_surplus = true;
      }
    }
    manager->lock_.unlock();
    arena.give_back(surplus);
  }
  has_surplus_.store(has_surplus, std::memory_order_relaxed);
  note_released(released);
  return released;
}

void ArenaDirectory::trim_if_due(std::uint64_t now_ns, std::uint64_t delay_ns) noexcept {
  if (!has_surplus_.load(std::memory_order_relaxed)) return;
  std::uint64_t last = last_trim_ns_.load(std::memory_order_relaxed);
  if (now_ns < last + delay_ns) return;
  // One of the threads that see it goes.
  if (!last_trim_ns_.compare_exchange_strong(last, now_ns, std::memory_order_relaxed)) return;
  trim(now_ns, delay_ns, false);
}

void ArenaDirectory::reset_statistics() noexcept {
  for (ProfileCounters& counters : counters_) {
    for (auto* counter : {&counters.allocations, &counters.commits, &counters.rollbacks,
                          &counters.limit_hits, &counters.peak_bytes}) {
      counter->store(0, std::memory_order_relaxed);
    }
  }
  peak_reserved_bytes_.store(reserved_bytes_.load(std::memory_order_relaxed),
                             std::memory_order_relaxed);
}

std::optional<Violation> ArenaDirectory::find_violation() noexcept {
  const LockGuard guard(lock_);
  for (auto* manager = first_; manager != nullptr; manager = manager->next_) {
    if (auto broken = manager->find_violation()) return broken;
  }
  return std::nullopt;
}

void ArenaDirectory::hold_for_fork() noexcept {
  lock_.lock();
  for (auto* manager = first_; manager != nullptr; manager = manager->next_) {
    manager->lock_.lock();
    manager->arena_.lock().lock();
  }
}

void ArenaDirectory::release_after_fork() noexcept {
  for (auto* manager = first_; manager != nullptr; manager = manager->next_) {
    manager->arena_.lock().unlock();
    manager->lock_.unlock();
  }
  lock_.unlock();
}

}  // namespace sqlitemem
