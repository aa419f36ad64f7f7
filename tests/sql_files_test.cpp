// Every script under sql/views and sql/reports runs, in attached and in observing mode.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/support/catch.h"
#include "tests/support/surface.h"

using sqlitemem::tests::Surface;

namespace {

std::vector<std::filesystem::path> scripts_in(const char* directory) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(SQLITEMEM_SOURCE_DIR "/sql/") + directory)) {
    if (entry.path().extension() == ".sql") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Runs all statements of a script; returns how many rows they gave.
int run_script(Surface& surface, const std::filesystem::path& file) {
  int rows = 0;
  const auto count_row = [](void* count, int, char**, char**) {
    ++*static_cast<int*>(count);
    return 0;
  };
  char* error = nullptr;
  const int rc = sqlite3_exec(surface.db(), text_of(file).c_str(), count_row, &rows, &error);
  INFO(file << ": " << (error != nullptr ? error : "no message"));
  CHECK(rc == SQLITE_OK);
  sqlite3_free(error);
  return rows;
}

void give_it_something_to_show(Surface& surface) {
  REQUIRE(surface.value("SELECT memory_snapshot('before')") == "1");
  REQUIRE(surface.error("CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT UNIQUE)") == "");
  REQUIRE(surface.error("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                        "WHERE i < 5000) INSERT INTO t SELECT i, hex(randomblob(100)) FROM n") ==
          "");
  REQUIRE(surface.value("SELECT memory_snapshot('after')") == "2");
}

void run_every_script(Surface& surface) {
  give_it_something_to_show(surface);
  for (const auto& file : scripts_in("views")) {
    CAPTURE(file);
    run_script(surface, file);
    const std::string view = file.stem().string();
    CHECK(surface.error("SELECT * FROM " + view) == "");
  }
  CHECK(surface.number("SELECT count(*) FROM sqlite_temp_schema") ==
        static_cast<std::int64_t>(scripts_in("views").size()));
  CHECK(surface.value("SELECT count(*) FROM sqlite_schema WHERE type = 'view'") == "0");
  CHECK(surface.number("SELECT count(*) FROM memory_growth WHERE growth_bytes > 100000") > 0);
  for (const auto& file : scripts_in("reports")) {
    CAPTURE(file);
    const int rows = run_script(surface, file);
    const std::string report = file.stem().string();
    // They show what is wrong, or could be better; mostly nothing is.
    const bool may_be_empty = report == "class_size_advice" || report == "statement_leaks" ||
                              report == "missing_parameters" || report == "leaks" ||
                              report == "alerts";
    if (!may_be_empty) CHECK(rows > 0);
  }
}

}  // namespace

TEST_CASE("sql files: every view and report runs, attached", "[sql]") {
  Surface surface;
  run_every_script(surface);
}

TEST_CASE("sql files: every view and report runs, observing", "[sql]") {
  ::setenv("SQLITEMEM_ATTACH", "never", 1);
  Surface surface;
  run_every_script(surface);
}
