// Finds each allocator's functions at run time: nothing is linked, so that none has an advantage.
#include "bench/allocator/subject.h"

#include <dlfcn.h>
#include <malloc.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "bench/support/interleave.h"

namespace sqlitemem::bench {
namespace {

constexpr std::array<SubjectSpec, 6> subjects{{
    {ours, "", "", SQLITEMEM_BENCH_HEAP},
    {ours_without_statistics, "", "", SQLITEMEM_BENCH_HEAP_NO_STATISTICS},
    {"glibc", "", "libc6", ""},
    {"jemalloc", "libjemalloc.so.2", "libjemalloc2", ""},
    {"mimalloc", "libmimalloc.so.2", "libmimalloc2.0", ""},
    {"tcmalloc", "libtcmalloc_minimal.so.4", "libtcmalloc-minimal4", ""},
}};

template <class Function>
Function find(const char* symbol) {
  return reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, symbol));
}

[[noreturn]] void report_missing(std::string_view name, std::string_view why) {
  std::fprintf(stderr, "\n%.*s: %.*s\n", static_cast<int>(name.size()), name.data(),
               static_cast<int>(why.size()), why.data());
  std::exit(exit_subject_missing);
}

void purge_glibc() { malloc_trim(0); }

void purge_jemalloc() {
  using Control = int (*)(const char*, void*, std::size_t*, void*, std::size_t);
  static const auto control = find<Control>("mallctl");
  control("thread.tcache.flush", nullptr, nullptr, nullptr, 0);
  control("arena.4096.purge", nullptr, nullptr, nullptr, 0);  // 4096 is MALLCTL_ARENAS_ALL.
}

void purge_mimalloc() {
  static const auto collect = find<void (*)(bool)>("mi_collect");
  collect(true);
}

void purge_tcmalloc() {
  static const auto release = find<void (*)()>("MallocExtension_ReleaseFreeMemory");
  release();
}

void (*purge_of(std::string_view name))() {
  if (name == "jemalloc") return purge_jemalloc;
  if (name == "mimalloc") return purge_mimalloc;
  if (name == "tcmalloc") return purge_tcmalloc;
  return purge_glibc;
}

/// Asks the loader which file malloc comes from.
Subject load_process_malloc(const SubjectSpec& spec) {
  Subject subject{.name = spec.name,
                  .allocate = find<void* (*)(std::size_t)>("malloc"),
                  .release = find<void (*)(void*)>("free"),
                  .resize = find<void* (*)(void*, std::size_t)>("realloc"),
                  .purge = purge_of(spec.name)};
  Dl_info origin{};
  dladdr(reinterpret_cast<void*>(subject.allocate), &origin);
  const std::string_view file = origin.dli_fname == nullptr ? "" : origin.dli_fname;
  const std::string_view soname = spec.preload.empty() ? "libc.so" : spec.preload;
  if (file.find(soname) == std::string_view::npos) {
    report_missing(spec.name, std::string("install Debian's ").append(spec.debian_package));
  }
  return subject;
}

Subject load_our_heap(const SubjectSpec& spec) {
  void* module = dlopen(std::string(spec.module).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (module == nullptr) report_missing(spec.name, dlerror());
  const auto entry = reinterpret_cast<HeapModuleEntry>(dlsym(module, heap_module_entry));
  const HeapFunctions* functions = entry == nullptr ? nullptr : entry();
  if (functions == nullptr) {
    std::fprintf(stderr, "the heap did not start\n");
    std::exit(1);
  }
  return {.name = spec.name,
          .allocate = functions->allocate,
          .release = functions->release,
          .resize = functions->resize,
          .purge = functions->collect,
          .large = functions->large};
}

}  // namespace

std::span<const SubjectSpec> all_subjects() { return subjects; }

Subject load_subject(std::string_view name) {
  for (const SubjectSpec& spec : subjects) {
    if (spec.name != name) continue;
    return spec.module.empty() ? load_process_malloc(spec) : load_our_heap(spec);
  }
  std::fprintf(stderr, "no allocator is called '%.*s'\n", static_cast<int>(name.size()),
               name.data());
  std::exit(2);
}

}  // namespace sqlitemem::bench
