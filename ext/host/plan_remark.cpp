// One sentence, or none.
#include "ext/host/plan_remark.h"

#include <atomic>

#include "allocators/config.h"

namespace sqlitemem::ext {
namespace {

constinit std::atomic<const char*> remark{nullptr};

}  // namespace

void set_plan_remark(const char* sentence) noexcept { remark.store(sentence); }

std::string plan_remark() {
  if (const char* sentence = remark.load()) return sentence;
  if (option(&Config::plan_cache) == 0) return {};
  return "The plan cache (option plan_cache) needs the preload library.";
}

}  // namespace sqlitemem::ext
