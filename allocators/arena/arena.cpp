// The slow paths of an arena: chunks come, are entered again, and go.
#include "allocators/arena/arena.h"

#include <algorithm>
#include <new>

namespace sqlitemem {

Arena::~Arena() {
  Chunk* chain = nullptr;
  {
    const LockGuard guard(lock_);
    chain = first_;
    first_ = current_ = nullptr;
  }
  give_back(chain);
}

std::uint64_t Arena::used_now() noexcept {
  if (current_ == nullptr) return 0;
  return used_before_ +
         static_cast<std::uint64_t>(cursor_.load(std::memory_order_relaxed) - current_->begin());
}

std::uint64_t Arena::used_bytes() noexcept {
  const LockGuard guard(lock_);
  return used_now();
}

// The hot path knows one bound; the limit is reached where it is passed.
void Arena::clamp_end() noexcept {
  if (current_ == nullptr) {
    end_ = nullptr;
    return;
  }
  const std::uint64_t left = at_least_zero(limit_bytes_, used_before_);
  end_ = current_->begin() + std::min<std::uint64_t>(left, current_->capacity());
}

void Arena::set_sizes(std::size_t initial_bytes, std::size_t limit_bytes) noexcept {
  const LockGuard guard(lock_);
  initial_bytes_ = initial_bytes;
  limit_bytes_ = limit_bytes;
  SQLITEMEM_CHECK(used_now() <= limit_bytes_, used_now(), limit_bytes_);
  clamp_end();
}

void Arena::enter(Chunk* chunk, std::byte* cursor) noexcept {
  current_ = chunk;
  cursor_.store(cursor, std::memory_order_relaxed);
  clamp_end();
}

bool Arena::enter_kept_chunk(std::size_t size) noexcept {
  Chunk* const next = current_ == nullptr ? first_ : current_->next;
  if (next == nullptr || next->capacity() < size) return false;
  used_before_ = used_now();
  enter(next, next->begin());
  return true;
}

/// Outside the lock: the heap has locks of its own, and readers must not wait for them.
Arena::Chunk* Arena::take_chunk(std::size_t size) noexcept {
  const std::uint64_t reserved = reserved_bytes();
  const std::size_t least = sizeof(Chunk) + size;
  // Four objects at least, while they are small: else a chunk of 1 KiB holds one of 600 bytes.
  const std::size_t few = size < 4 * min_chunk_bytes ? sizeof(Chunk) + 4 * size : least;
  const std::size_t share = reserved == 0 ? initial_bytes_ : reserved / growth_divisor;
  const std::size_t wanted = round_up(std::max({share, few, min_chunk_bytes}), min_chunk_bytes);
  void* block = source_.allocate(wanted);
  if (block == nullptr && wanted > least) block = source_.allocate(least);
  if (block == nullptr) return nullptr;
  const std::size_t bytes = round_down(source_.usable_bytes(block), alignment);
  SQLITEMEM_CHECK(bytes >= least, bytes, least);
  auto* chunk = new (block) Chunk{nullptr, static_cast<std::byte*>(block) + bytes};
  arena_poison::close(chunk->begin(), chunk->end);
  return chunk;
}

Arena::Growth Arena::grow(std::size_t bytes) noexcept {
  if (bytes > limit_bytes_) return Growth::over_limit;
  const std::size_t size = round_up(bytes, alignment);
  {
    const LockGuard guard(lock_);
    if (used_now() + size > limit_bytes_) return Growth::over_limit;
    if (enter_kept_chunk(size)) return Growth::ok;
  }
  Chunk* const chunk = take_chunk(size);
  if (chunk == nullptr) return Growth::no_memory;
  {
    const LockGuard guard(lock_);
    Chunk*& link = current_ == nullptr ? first_ : current_->next;
    chunk->next = link;
    link = chunk;
    reserved_bytes_.store(reserved_bytes() + sizeof(Chunk) + chunk->capacity(),
                          std::memory_order_relaxed);
    used_before_ = used_now();
    enter(chunk, chunk->begin());
  }
  SQLITEMEM_CHECK_DEEP(*this);
  return Growth::ok;
}

Arena::Position Arena::position() noexcept {
  const LockGuard guard(lock_);
  return {current_, cursor_.load(std::memory_order_relaxed), used_before_};
}

/// O(bytes), in the builds that check.
void Arena::close_after(Chunk* chunk, std::byte* from) noexcept {
  if constexpr (!arena_poison::is_on) return;
  for (Chunk* at = chunk; at != nullptr; at = at->next) {
    const bool is_last = at == current_;
    std::byte* const begin = at == chunk ? from : at->begin();
    arena_poison::close(begin, is_last ? cursor_.load(std::memory_order_relaxed) : at->end);
    if (is_last) break;
  }
}

void Arena::rewind(const Position& position) noexcept {
  const LockGuard guard(lock_);
  if (current_ == nullptr) return;
  Chunk* const chunk = position.chunk;
  if (chunk == nullptr) {
    close_after(first_, first_->begin());
    // As before the first allocation: the next one enters the first chunk.
    current_ = nullptr;
    cursor_.store(nullptr, std::memory_order_relaxed);
    used_before_ = 0;
    end_ = nullptr;
    return;
  }
  close_after(chunk, position.cursor);
  used_before_ = position.used_before;
  enter(chunk, position.cursor);
}

void Arena::reset() noexcept {
  rewind({});
  allocations_.store(0, std::memory_order_relaxed);
}

Arena::Chunk* Arena::detach_surplus(std::uint64_t keep_bytes) noexcept {
  const LockGuard guard(lock_);
  SQLITEMEM_CHECK(current_ == nullptr, used_now(), 0);
  Chunk** link = &first_;
  std::uint64_t kept = 0;
  while (*link != nullptr && kept < keep_bytes) {
    kept += sizeof(Chunk) + (*link)->capacity();
    link = &(*link)->next;
  }
  Chunk* const surplus = *link;
  *link = nullptr;
  reserved_bytes_.store(kept, std::memory_order_relaxed);
  return surplus;
}

void Arena::give_back(Chunk* chain) noexcept {
  while (chain != nullptr) {
    Chunk* const next = chain->next;
    arena_poison::open(chain, sizeof(Chunk) + chain->capacity());
    source_.release(chain);
    chain = next;
  }
}

std::optional<Violation> Arena::find_violation() noexcept {
  const LockGuard guard(lock_);
  std::uint64_t reserved = 0;
  bool has_current = current_ == nullptr;
  for (Chunk* chunk = first_; chunk != nullptr; chunk = chunk->next) {
    reserved += sizeof(Chunk) + chunk->capacity();
    has_current = has_current || chunk == current_;
  }
  const auto address = [](const void* at) { return reinterpret_cast<std::uintptr_t>(at); };
  if (!has_current) return Violation{"the current chunk is in the chain", 1, 0, address(current_)};
  if (reserved != reserved_bytes()) {
    return Violation{"reserved bytes are the sum of the chunks", reserved, reserved_bytes()};
  }
  std::byte* const cursor = cursor_.load(std::memory_order_relaxed);
  if (current_ == nullptr) {
    if (cursor != end_) return Violation{"an empty arena has no room", 0, address(end_)};
    return std::nullopt;
  }
  if (cursor < current_->begin() || cursor > current_->end) {
    return Violation{"the cursor lies in the current chunk", address(current_->begin()),
                     address(cursor), address(current_)};
  }
  const std::uint64_t left = at_least_zero(limit_bytes_, used_before_);
  const std::byte* const end =
      current_->begin() + std::min<std::uint64_t>(left, current_->capacity());
  if (end != end_) {
    return Violation{"allocation stops at the chunk's end or the limit", address(end),
                     address(end_)};
  }
  if (used_now() > limit_bytes_) {
    return Violation{"no more is used than the limit", limit_bytes_, used_now()};
  }
  return std::nullopt;
}

std::optional<Violation> Arena::find_stale_write() noexcept {
  if constexpr (!arena_poison::has_pattern) return std::nullopt;
  const LockGuard guard(lock_);
  Chunk* chunk = current_ == nullptr ? first_ : current_;
  for (; chunk != nullptr; chunk = chunk->next) {
    const std::byte* const from =
        chunk == current_ ? cursor_.load(std::memory_order_relaxed) : chunk->begin();
    const std::byte* const bad =
        std::find_if_not(from, static_cast<const std::byte*>(chunk->end),
                         [](std::byte byte) { return byte == arena_poison::pattern; });
    if (bad == chunk->end) continue;
    return Violation{"nobody writes to memory that was rolled back",
                     static_cast<std::uint64_t>(arena_poison::pattern),
                     static_cast<std::uint64_t>(*bad), reinterpret_cast<std::uintptr_t>(bad)};
  }
  return std::nullopt;
}

}  // namespace sqlitemem
