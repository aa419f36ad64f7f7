// Takes the methods from the libraries at run time, so that each is called in the same way.
#include "bench/page_cache/subjects.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "allocators/pool/frame.h"
#include "bench/support/interleave.h"

namespace sqlitemem::bench {
namespace {

[[noreturn]] void stop(int code, std::string_view subject, const char* why) {
  std::fprintf(stderr, "\n%.*s: %s\n", static_cast<int>(subject.size()), subject.data(), why);
  std::exit(code);
}

void* load_library(std::string_view subject, const char* path) {
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) stop(exit_subject_missing, subject, dlerror());
  return library;
}

template <class Function>
Function find(void* library, const char* symbol, std::string_view subject) {
  const auto function = reinterpret_cast<Function>(dlsym(library, symbol));
  if (function == nullptr) stop(1, subject, dlerror());
  return function;
}

const sqlite3_pcache_methods2& load_ours(std::uint64_t pages) {
  // A page costs its header, too; whatever that comes to, each subject may hold as many.
  const std::uint64_t frame_bytes = page_bytes_asked + frame_header_bytes(extra_bytes_asked);
  setenv("SQLITEMEM_BUFFER_POOL_SIZE", std::to_string(pages * frame_bytes).c_str(), 1);
  void* library = load_library(our_pool, SQLITEMEM_BENCH_POOL);
  using Entry = const sqlite3_pcache_methods2* (*)();
  const auto* methods = find<Entry>(library, "sqlitemem_bench_pool", our_pool)();
  if (methods == nullptr) stop(1, our_pool, "the pool did not start");
  return *methods;
}

const sqlite3_pcache_methods2& load_sqlite(std::string_view subject, const char* path) {
  void* library = load_library(subject, path);
  const auto option_used =
      find<int (*)(const char*)>(library, "sqlite3_compileoption_used", subject);
  const bool is_group = option_used("ENABLE_MEMORY_MANAGEMENT") != 0;
  if (is_group != (subject == shared_group))
    stop(1, subject, "this SQLite is built for the other way of caching pages");
  static sqlite3_pcache_methods2 methods{};
  // Not possible any more once it is initialised; that calls xInit.
  const auto configure = find<int (*)(int, ...)>(library, "sqlite3_config", subject);
  if (configure(SQLITE_CONFIG_GETPCACHE2, &methods) != SQLITE_OK ||
      find<int (*)()>(library, "sqlite3_initialize", subject)() != SQLITE_OK) {
    stop(1, subject, "SQLite did not start");
  }
  return methods;
}

}  // namespace

const sqlite3_pcache_methods2& load_page_cache(std::string_view subject, std::uint64_t pages) {
  if (subject == our_pool) return load_ours(pages);
  if (subject == stock) return load_sqlite(subject, "libsqlite3.so.0");
  if (subject != shared_group) stop(2, subject, "no page cache is called so");
  const char* path = std::getenv(shared_group_variable);
  if (path == nullptr)
    stop(exit_subject_missing, subject, "POOL_BENCH_SHARED_GROUP names no library");
  return load_sqlite(subject, path);
}

}  // namespace sqlitemem::bench
