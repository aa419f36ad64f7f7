// The public C interface, as a program sees that links the library.
#include <dlfcn.h>
#include <sqlite3.h>

#include <string>

#include "tests/support/catch.h"

namespace sqlitemem::tests {
namespace {

using Catch::Matchers::Contains;

/// The built library, and its functions by their public names.
struct Embedded {
  Embedded() : handle(::dlopen(SQLITEMEM_BUILD_DIR "/libsqlitemem.so", RTLD_NOW | RTLD_LOCAL)) {
    REQUIRE(handle != nullptr);
    find(install, "sqlitemem_install");
    find(errmsg, "sqlitemem_errmsg");
    find(set, "sqlitemem_set");
    find(registers, "sqlitemem_register");
    find(libversion, "sqlitemem_libversion");
  }
  template <class Function>
  void find(Function*& function, const char* name) {
    function = reinterpret_cast<Function*>(::dlsym(handle, name));
    REQUIRE(function != nullptr);
  }
  void* handle;
  int (*install)() = nullptr;
  const char* (*errmsg)() = nullptr;
  int (*set)(const char*, const char*) = nullptr;
  int (*registers)(sqlite3*) = nullptr;
  const char* (*libversion)() = nullptr;
};

std::string mode_of(sqlite3* db) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(db, "SELECT memory_mode()", -1, &statement, nullptr) != SQLITE_OK)
    return "";
  std::string mode;
  if (sqlite3_step(statement) == SQLITE_ROW) {
    mode = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
  }
  sqlite3_finalize(statement);
  return mode;
}

}  // namespace

TEST_CASE("Embedded: installed before SQLite starts, it manages every connection", "[embedded]") {
  const Embedded embedded;
  REQUIRE(embedded.install() == SQLITE_OK);
  CHECK(std::string(embedded.errmsg()).empty());
  CHECK(embedded.install() == SQLITE_OK);
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(":memory:", &db) == SQLITE_OK);
  CHECK_THAT(mode_of(db), Contains("managed: The program called sqlitemem_install()"));
  CHECK(sqlite3_memory_used() > 0);  // SQLite still counts for itself.
  sqlite3_close(db);
  CHECK(sqlite3_memory_used() < 1000);  // The list of auto-extensions is still there.
}

TEST_CASE("Embedded: after SQLite has started it is too late, and nothing changes", "[embedded]") {
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(":memory:", &db) == SQLITE_OK);
  const Embedded embedded;
  CHECK(embedded.install() == SQLITE_MISUSE);
  CHECK_THAT(embedded.errmsg(), Contains("before sqlite3_initialize()"));
  CHECK(sqlite3_exec(db, "CREATE TABLE t(x)", nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(db);
  CHECK(sqlite3_memory_used() == 0);
}

TEST_CASE("Embedded: a connection from before can be given the tables", "[embedded]") {
  ::setenv("SQLITEMEM_ATTACH", "never", 1);
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(":memory:", &db) == SQLITE_OK);
  CHECK(mode_of(db).empty());
  const Embedded embedded;
  REQUIRE(embedded.registers(db) == SQLITE_OK);
  CHECK_THAT(mode_of(db), Contains("observing: The option attach is set to never."));
  sqlite3_close(db);
}

TEST_CASE("Embedded: options are set by name, and every refusal is worded", "[embedded]") {
  const Embedded embedded;
  CHECK(embedded.set("memory_limit", "64MB") == SQLITE_OK);
  CHECK(std::string(embedded.errmsg()).empty());
  CHECK(embedded.set("memory_limt", "64MB") == SQLITE_NOTFOUND);
  CHECK_THAT(embedded.errmsg(), Contains("memory_limit"));
  CHECK(embedded.set("memory_limit", "-1") != SQLITE_OK);
  CHECK(embedded.set("memory_limit", "much") == SQLITE_MISMATCH);
  CHECK(embedded.set(nullptr, "1") == SQLITE_MISUSE);
  REQUIRE(embedded.install() == SQLITE_OK);
  CHECK(embedded.set("memstatus", "off") == SQLITE_BUSY);
  CHECK(std::string(embedded.libversion()).find('.') != std::string::npos);
}

TEST_CASE("Embedded: a program that then gives SQLite another allocator is told so", "[embedded]") {
  const Embedded embedded;
  sqlite3_mem_methods stock{};
  REQUIRE(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &stock) == SQLITE_OK);
  REQUIRE(embedded.install() == SQLITE_OK);
  sqlite3_shutdown();
  REQUIRE(sqlite3_config(SQLITE_CONFIG_MALLOC, &stock) == SQLITE_OK);
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(":memory:", &db) == SQLITE_OK);
  REQUIRE(embedded.registers(db) == SQLITE_OK);
  CHECK_THAT(mode_of(db), Contains("observing: The program gave SQLite an allocator of its own"));
  sqlite3_close(db);
}

TEST_CASE("Embedded: SQLite may be shut down and started again", "[embedded]") {
  const Embedded embedded;
  REQUIRE(embedded.install() == SQLITE_OK);
  for (int round = 0; round < 3; ++round) {
    sqlite3* db = nullptr;
    REQUIRE(sqlite3_open(":memory:", &db) == SQLITE_OK);
    CHECK_THAT(mode_of(db), Contains("managed"));
    sqlite3_close(db);
    sqlite3_shutdown();
    REQUIRE(embedded.install() == SQLITE_OK);
  }
}

}  // namespace sqlitemem::tests
