// All rules in one list, and the statements and words that they share.
#include "allocators/stats/doctor/doctor_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "allocators/base/bytes.h"
#include "allocators/base/words.h"

namespace sqlitemem::stats {

std::vector<DoctorRule> doctor_rules() {
  std::vector<DoctorRule> all;
  for (const auto& rules : {setup_rules(), limit_rules(), heap_rules(), cache_rules(),
                            statement_rules(), transaction_rules()})
    all.insert(all.end(), rules.begin(), rules.end());
  return all;
}

namespace fix {

std::string collect(int level) { return fmt::format("SELECT force_garbage_collection({})", level); }
std::string coalesce() { return "SELECT coalesce_all()"; }
std::string set_option(std::string_view name, std::uint64_t value) {
  return fmt::format("UPDATE memory_config SET setting = '{}' WHERE name = '{}'", value, name);
}
std::string set_option_bytes(std::string_view name, std::uint64_t bytes) {
  return fmt::format("UPDATE memory_config SET setting = '{}MB' WHERE name = '{}'",
                     std::max<std::uint64_t>(1, bytes / mib), name);
}
std::string kill_orphans(double idle_seconds) {
  return fmt::format("SELECT kill_orphaned_transactions({:.0f})", std::floor(idle_seconds));
}
std::string cache_size(std::uint64_t bytes) {
  return fmt::format("PRAGMA cache_size = -{}", std::max<std::uint64_t>(64, bytes / kib));
}
std::string no_mmap() { return "PRAGMA mmap_size = 0"; }

}  // namespace fix

std::string in_words(std::uint64_t bytes) { return bytes_in_words(static_cast<double>(bytes)); }

std::string percent_of(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return "0 %";
  return fmt::format("{:.0f} %", 100 * static_cast<double>(part) / static_cast<double>(whole));
}

bool is_share(std::uint64_t part, std::uint64_t whole, double ratio) {
  return whole > 0 && static_cast<double>(part) >= ratio * static_cast<double>(whole);
}

std::string as_sentence(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  if (!text.empty() && text.back() != '.') text += '.';
  return text;
}

}  // namespace sqlitemem::stats
