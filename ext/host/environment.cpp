// Reads the environment under a lock, and keeps what was wrong with it for whoever can be told.
#include "ext/host/environment.h"

#include <algorithm>

#include "allocators/base/lock.h"
#include "allocators/config.h"

namespace sqlitemem::ext {
namespace {

constinit Lock environment_lock;
constinit bool was_read SQLITEMEM_GUARDED_BY(environment_lock) = false;
// Leaked on purpose: SQLite may still be used by other libraries' destructors at exit.
constinit std::string* kept_problems SQLITEMEM_GUARDED_BY(environment_lock) = nullptr;

}  // namespace

void read_environment_once() noexcept {
  const LockGuard guard(environment_lock);
  if (was_read) return;
  was_read = true;
  try {
    std::string text;
    read_environment(&text);
    if (!text.empty()) kept_problems = new std::string(std::move(text));
  } catch (...) {  // No memory even for the options: the boot values stand.
  }
}

std::string environment_problems() {
  const LockGuard guard(environment_lock);
  return kept_problems == nullptr ? std::string() : *kept_problems;
}

std::string environment_problem(std::string_view variable) {
  const std::string all = environment_problems();
  for (std::size_t begin = 0; begin < all.size();) {
    const std::size_t end = std::min(all.find('\n', begin), all.size());
    std::string line = all.substr(begin, end - begin);
    if (line.starts_with(std::string(variable) + ":")) return line;
    begin = end + 1;
  }
  return {};
}

}  // namespace sqlitemem::ext
