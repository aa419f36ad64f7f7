// Writes the database once for all workers.
#include "bench/sqlite/work_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "bench/sqlite/database.h"

namespace sqlitemem::bench {
namespace {

constexpr const char* variable = "SQLITEMEM_BENCH_DATABASE";
constexpr std::string_view file_name = "/items.db";

void write_rows(const std::string& path) {
  Database database(path);
  database.execute(
      "PRAGMA synchronous=OFF; PRAGMA journal_mode=OFF;"
      "CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, body TEXT); BEGIN;");
  {
    Statement insert(database, "INSERT INTO item VALUES(?1, ?2, ?3)");
    std::string body(430, '.');
    for (std::uint32_t id = 1; id <= work_file_rows; ++id) {
      body.replace(0, 8, fmt::format("{:08}", id));
      insert.bind(1, std::int64_t{id}).bind(2, name_of_row(id)).bind(3, body).run();
    }
  }
  database.execute("CREATE INDEX item_name ON item(name); COMMIT;");
}

}  // namespace

std::string name_of_row(std::uint32_t id) {
  return fmt::format("name {:010}", id * std::uint32_t{0x9E3779B1});
}

WorkFile::WorkFile() {
  const char* parent = std::getenv("TMPDIR");
  directory_ = fmt::format("{}/sqlitemem_bench_XXXXXX", parent == nullptr ? "/tmp" : parent);
  if (mkdtemp(directory_.data()) == nullptr) {
    std::perror("benchmark: directory for temporary files");
    std::exit(1);
  }
  write_rows(directory_ + std::string(file_name));
}

WorkFile::~WorkFile() {
  unlink((directory_ + std::string(file_name)).c_str());
  rmdir(directory_.c_str());
}

std::string WorkFile::environment() const {
  return fmt::format("{}={}{}", variable, directory_, file_name);
}

std::string WorkFile::path() {
  const char* path = std::getenv(variable);
  if (path != nullptr) return path;
  std::fprintf(stderr, "benchmark: %s is not set\n", variable);
  std::exit(2);
}

}  // namespace sqlitemem::bench
