// Where the core cannot be opened: every call goes to the SQLite that its caller means, as if we
// were not there.
#include <dlfcn.h>
#include <link.h>

#include <cstdlib>
#include <new>
#include <type_traits>

#include "ext/preload/stub.h"

namespace sqlitemem::ext::preload {
namespace {

/// A loaded object that calls SQLite, and where its calls of one function go.
struct Caller {
  std::uintptr_t begin = 0, end = 0;
  const char* name = nullptr;
  void* target = nullptr;

  [[nodiscard]] bool contains(std::uintptr_t address) const noexcept {
    return address - begin < end - begin;
  }
};

struct Search {
  std::uintptr_t address;
  Caller found;
};

int compare_object(dl_phdr_info* info, std::size_t, void* argument) {
  auto& search = *static_cast<Search*>(argument);
  std::uintptr_t begin = UINTPTR_MAX, end = 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD) continue;
    const std::uintptr_t first = info->dlpi_addr + segment.p_vaddr;
    if (first < begin) begin = first;
    if (first + segment.p_memsz > end) end = first + segment.p_memsz;
  }
  if (search.address < begin || search.address >= end) return 0;
  search.found.begin = begin;
  search.found.end = end;
  search.found.name = info->dlpi_name;
  return 1;
}

bool is_ours(const void* function) noexcept {
  Dl_info self{}, other{};
  return ::dladdr(&forward_only, &self) != 0 && ::dladdr(function, &other) != 0 &&
         self.dli_fbase == other.dli_fbase;
}

/// What the caller is linked with; what comes after us in the program; or a library that was loaded
/// privately.
void* find_target(const Caller& caller, const char* function) noexcept {
  const bool is_program = caller.name == nullptr || caller.name[0] == '\0';
  if (!is_program) {
    if (void* object = ::dlopen(caller.name, RTLD_LAZY | RTLD_NOLOAD)) {
      void* linked = ::dlsym(object, function);
      ::dlclose(object);
      if (linked != nullptr && !is_ours(linked)) return linked;
    }
  }
  if (void* next = ::dlsym(RTLD_NEXT, function)) return next;
  void* library = ::dlopen("libsqlite3.so.0", RTLD_LAZY | RTLD_NOLOAD);
  return library == nullptr ? nullptr : ::dlsym(library, function);
}

/// The callers of one function that are known. Append-only and without a lock; elements are leaked,
/// because calls may come until the process ends.
template <std::size_t capacity>
class KnownCallers {
 public:
  void* target(const void* caller, const char* function) noexcept {
    const auto address = reinterpret_cast<std::uintptr_t>(caller);
    for (const auto& slot : slots_) {
      const Caller* known = slot.load(std::memory_order_acquire);
      if (known == nullptr) break;
      if (known->contains(address)) return known->target;
    }
    Search search{address, {}};
    ::dl_iterate_phdr(compare_object, &search);
    search.found.target = find_target(search.found, function);
    if (search.found.end != 0) remember(search.found);
    return search.found.target;
  }

 private:
  void remember(const Caller& caller) noexcept {
    void* memory = std::malloc(sizeof(Caller));
    if (memory == nullptr) return;
    auto* known = ::new (memory) Caller(caller);
    for (auto& slot : slots_) {
      Caller* expected = nullptr;
      if (slot.compare_exchange_strong(expected, known, std::memory_order_acq_rel)) return;
    }
    std::free(memory);
  }

  std::atomic<Caller*> slots_[capacity] = {};
};

/// A function's name as a template argument, so that the table below is all there is to write.
template <std::size_t length>
struct Name {
  char text[length] = {};
  consteval Name(const char (&name)[length]) {  // NOLINT(google-explicit-constructor)
    for (std::size_t i = 0; i < length; ++i) text[i] = name[i];
  }
};

template <Name name, class Function>
Function* find_real(const void* caller) noexcept {
  static constinit KnownCallers<16> callers;
  return reinterpret_cast<Function*>(callers.target(caller, name.text));
}

/// A failed sqlite3_open() leaves no handle behind that somebody could close.
inline void clear(sqlite3** db) noexcept { *db = nullptr; }
template <class Other>
void clear(Other&&) noexcept {}

template <Name name, class Result, class... Arguments>
Result forward(const void* caller, Arguments... arguments) {
  const auto real = find_real<name, Result(Arguments...)>(caller);
  if (real != nullptr) return real(arguments...);
  (clear(arguments), ...);
  if constexpr (!std::is_void_v<Result>) return SQLITE_ERROR;
}

int forward_config(const void* caller, int option, void* first, void* second, void* third) {
  const auto real = find_real<"sqlite3_config", int(int, ...)>(caller);
  return real == nullptr ? SQLITE_ERROR : real(option, first, second, third);
}

void* forward_target(SlotTable&, Slot slot, const void* caller, const std::uintptr_t*) {
  static constinit KnownCallers<4> callers[slot_count];
  const auto index = static_cast<std::size_t>(slot);
  void* target = callers[index].target(caller, slot_names[index]);
  return target != nullptr ? target : missing_function(slot);
}

}  // namespace

constinit const Interface forward_only{
    .bytes = sizeof(Interface),
    .initialize = forward<"sqlite3_initialize">,
    .open = forward<"sqlite3_open">,
    .open_v2 = forward<"sqlite3_open_v2">,
    .open16 = forward<"sqlite3_open16">,
    .config = forward_config,
    .reset_auto_extension = forward<"sqlite3_reset_auto_extension">,
    .memory_used = forward<"sqlite3_memory_used">,
    .memory_highwater = forward<"sqlite3_memory_highwater">,
    .status = forward<"sqlite3_status">,
    .status64 = forward<"sqlite3_status64">,
    .soft_heap_limit64 = forward<"sqlite3_soft_heap_limit64">,
    .hard_heap_limit64 = forward<"sqlite3_hard_heap_limit64">,
    .soft_heap_limit = forward<"sqlite3_soft_heap_limit">,
    .release_memory = forward<"sqlite3_release_memory">,
    .reset = forward<"sqlite3_reset">,
    .finalize = forward<"sqlite3_finalize">,
    .exec = forward<"sqlite3_exec">,
    .find_target = forward_target,
};

}  // namespace sqlitemem::ext::preload
