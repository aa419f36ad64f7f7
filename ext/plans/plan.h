// One statement that the cache knows.
#pragma once

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace sqlitemem::ext::plans {

/// What must be the same for one statement to stand for another: every byte of the text that was
/// given, also behind the first statement, and the flags.
struct PlanKey {
  PlanKey(std::string_view text, unsigned with_flags) noexcept
      : sql(text), flags(with_flags), hash(hash_of(text) + with_flags) {}

  std::string_view sql;
  unsigned flags;
  std::uint64_t hash;

 private:
  /// A multiplicative hash over words of 8 bytes, mixed by shifts (as in MurmurHash).
  static std::uint64_t hash_of(std::string_view text) noexcept {
    std::uint64_t hash = text.size() * 0x9E3779B97F4A7C15U, word = 0;
    const char* at = text.data();
    std::size_t left = text.size();
    for (; left >= sizeof word; left -= sizeof word, at += sizeof word) {
      std::memcpy(&word, at, sizeof word);
      hash = (hash ^ word) * 0xFF51AFD7ED558CCDU;
      hash ^= hash >> 32;
    }
    word = 0;
    if (left > 0) std::memcpy(&word, at, left);
    hash = (hash ^ word) * 0xC4CEB9FE1A85EC53U;
    return hash ^ (hash >> 29);
  }
};

/// Statements prepared by sqlitemem_prepare_cached() are not for others: bit of PlanKey::flags.
inline constexpr unsigned embedder_flag = 1U << 31;

enum class PlanState : std::uint8_t {
  in_use,  ///< The program has it.
  parked,  ///< The program has finalized it, and it waits to be taken again.
  hazard,  ///< The program has it, and while it has, nothing is parked or taken.
};

struct Plan {
  sqlite3_stmt* statement = nullptr;
  Plan* next_by_statement = nullptr;
  Plan* next_by_text = nullptr;  ///< Parked ones only; so are the next two.
  Plan* newer = nullptr;
  Plan* older = nullptr;
  std::uint64_t hash = 0;
  std::uint64_t id = 0;
  std::uint64_t epoch = 0;         ///< Of the cache, when it was compiled.
  std::uint64_t memory_bytes = 0;  ///< Of the statement and this; 0 before it is first parked.
  std::uint64_t parked_at_ns = 0;  ///< CLOCK_MONOTONIC_COARSE.
  std::uint64_t hits = 0;
  std::uint64_t runs = 0, reprepares = 0;  ///< Up to when it was last parked.
  std::string sql;                         ///< Empty for a hazard.
  std::size_t tail = 0;                    ///< Where the next statement in `sql` begins.
  unsigned flags = 0;
  PlanState state = PlanState::in_use;

  static std::uint64_t hash_of_statement(const sqlite3_stmt* of) noexcept {
    return (reinterpret_cast<std::uintptr_t>(of) >> 4) * 0x9E3779B97F4A7C15U >> 32;
  }
  static std::uint64_t statement_hash(const Plan& plan) noexcept {
    return hash_of_statement(plan.statement);
  }
  static std::uint64_t text_hash(const Plan& plan) noexcept { return plan.hash; }

  [[nodiscard]] bool is_for(const PlanKey& key) const noexcept {
    return hash == key.hash && flags == key.flags && sql == key.sql;
  }
};

}  // namespace sqlitemem::ext::plans
