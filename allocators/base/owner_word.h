// A word that one thread adds to and others read.
#pragma once

#include <atomic>
#include <cstdint>

namespace sqlitemem {

/// Adds to a word that only the calling thread writes. True: the sum is not negative. Never a
/// locked instruction. Compilers make three of this, because they do not fuse atomic accesses.
inline bool add_as_owner(std::atomic<std::int64_t>& word, std::int64_t amount) noexcept {
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
  bool is_negative;
  asm("addq %2, %0" : "+m"(word), "=@ccs"(is_negative) : "er"(amount));
  return !is_negative;
#else
  const std::int64_t sum = word.load(std::memory_order_relaxed) + amount;
  word.store(sum, std::memory_order_relaxed);
  return sum >= 0;
#endif
}

}  // namespace sqlitemem
