// The phases of the speed mix: what one SQLite does in a long working day, in a few seconds.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "bench/sqlite/database.h"
#include "bench/support/random.h"

namespace sqlitemem::bench {

/// Everything that a phase works on. All phases draw from one generator, in order.
struct Mix {
  Database& database;
  AnswerHash& answers;
  std::uint32_t rows;  ///< Of the two main tables.
  Random random{29};
};

struct MixPhase {
  std::string_view name;
  void (*run)(Mix& mix);
};

std::span<const MixPhase> writing_phases();
std::span<const MixPhase> reading_phases();
std::span<const MixPhase> changing_phases();

/// A number in English words, so that text has a realistic length and spread.
std::string in_words(std::uint32_t number);

}  // namespace sqlitemem::bench
