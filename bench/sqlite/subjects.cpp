// Starts each way of serving SQLite, and proves in the worker that it is in force.
#include "bench/sqlite/subjects.h"

#include <dlfcn.h>
#include <sqlite3.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "bench/support/interleave.h"

namespace sqlitemem::bench {
namespace {

constexpr std::array<SqliteSubject, 7> subjects{{
    {"stock", "", "", ""},
    {"managed", SQLITEMEM_BENCH_PRELOAD, "", ""},
    {"attached", "", SQLITEMEM_BENCH_EXTENSION, ""},
    {"observing", "", SQLITEMEM_BENCH_EXTENSION, "SQLITEMEM_ATTACH=never"},
    {"jemalloc", "libjemalloc.so.2", "", ""},
    {"mimalloc", "libmimalloc.so.2", "", ""},
    {"tcmalloc", "libtcmalloc_minimal.so.4", "", ""},
}};

[[noreturn]] void stop(int code, std::string_view name, const std::string& why) {
  std::fprintf(stderr, "\n%.*s: %s\n", static_cast<int>(name.size()), name.data(), why.c_str());
  std::exit(code);
}

/// The extension outlives the connection that loads it.
void load_extension(const SqliteSubject& subject, sqlite3* db) {
  char* message = nullptr;
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, nullptr);
  const std::string path(subject.extension);
  if (sqlite3_load_extension(db, path.c_str(), nullptr, &message) != SQLITE_OK) {
    stop(1, subject.name, message == nullptr ? "cannot load" : message);
  }
}

std::string ask_memory_mode(sqlite3* db) {
  sqlite3_stmt* statement = nullptr;
  std::string mode = "none";
  if (sqlite3_prepare_v2(db, "SELECT memory_mode()", -1, &statement, nullptr) == SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW) {
    mode = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
  }
  sqlite3_finalize(statement);
  return mode;
}

/// A subject of ours is in force if memory_mode() begins with its name.
void check_our_mode(const SqliteSubject& subject) {
  const std::string_view file = subject.preload.empty() ? subject.extension : subject.preload;
  if (access(std::string(file).c_str(), R_OK) != 0) {
    stop(exit_subject_missing, subject.name, std::string(file) + " was not built");
  }
  sqlite3* db = nullptr;
  if (sqlite3_open(":memory:", &db) != SQLITE_OK) stop(1, subject.name, "cannot open :memory:");
  if (!subject.extension.empty()) load_extension(subject, db);
  const std::string mode = ask_memory_mode(db);
  if (!mode.starts_with(subject.name)) stop(1, subject.name, "memory_mode() says " + mode);
  sqlite3_close(db);
}

/// The others are in force if the loader finds malloc in their file.
void check_malloc(const SqliteSubject& subject) {
  Dl_info origin{};
  dladdr(dlsym(RTLD_DEFAULT, "malloc"), &origin);
  const std::string_view file = origin.dli_fname == nullptr ? "" : origin.dli_fname;
  const std::string_view wanted = subject.preload.empty() ? "libc.so" : subject.preload;
  if (file.find(wanted) == std::string_view::npos) {
    stop(exit_subject_missing, subject.name, "malloc is that of " + std::string(file));
  }
}

bool is_ours(const SqliteSubject& subject) {
  return !subject.extension.empty() || subject.name == "managed";
}

}  // namespace

std::span<const SqliteSubject> sqlite_subjects() { return subjects; }

std::vector<std::string> environment_of(const SqliteSubject& subject) {
  std::vector<std::string> environment;
  if (!subject.preload.empty()) environment.push_back("LD_PRELOAD=" + std::string(subject.preload));
  if (!subject.environment.empty()) environment.emplace_back(subject.environment);
  return environment;
}

void prepare_worker(std::string_view name) {
  for (const SqliteSubject& subject : subjects) {
    if (subject.name != name) continue;
    is_ours(subject) ? check_our_mode(subject) : check_malloc(subject);
    return;
  }
  stop(2, name, "no subject has this name");
}

}  // namespace sqlitemem::bench
