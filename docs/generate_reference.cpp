// Writes docs/reference.md or docs/doctor.md from the descriptions in the code; with --check says
// whether it is current.
#include <fmt/format.h>
#include <sqlite3ext.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "allocators/stats/tables.h"
#include "docs/doctor_page.h"
#include "ext/sql/functions.h"
SQLITE_EXTENSION_INIT1

namespace {

using namespace sqlitemem;

std::string read_all(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string functions_manual() {
  std::string out = "| call | meaning |\n|---|---|\n";
  std::vector<const ext::Function*> by_name;
  for (const ext::Function& function : ext::functions) by_name.push_back(&function);
  std::ranges::sort(by_name, {}, [](const auto* function) { return std::string(function->name); });
  for (const ext::Function* function : by_name) {
    out += fmt::format("| `{}({})` | {} |\n", function->name, function->arguments,
                       stats::markdown_cell(function->doc));
  }
  return out;
}

/// One line per script of a directory: its first line is a comment that says what it is for.
std::string scripts_manual(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".sql") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  std::string out = "| script | what it shows |\n|---|---|\n";
  for (const std::filesystem::path& file : files) {
    std::ifstream in(file);
    std::string purpose;
    std::getline(in, purpose);
    if (purpose.starts_with("-- ")) purpose.erase(0, 3);
    out += fmt::format("| `sql/{}/{}` | {} |\n", directory.filename().string(),
                       file.filename().string(), stats::markdown_cell(purpose));
  }
  return out;
}

std::string reference(const std::filesystem::path& source_directory) {
  return "# Reference\n\n"
         "Generated from the descriptions in the code by `sqlitemem_reference docs/reference.md`: "
         "change them there.\n\n"
         "Every table is also a function: `name` and `name()` are the same, and arguments in "
         "brackets may be left out. NULL means that a figure is not measurable here; "
         "`memory_mode()` "
         "or a `note` column says why. `_bytes` are bytes, `_mb` 1024 * 1024 bytes, `_ratio` is 0 "
         "to 1, `_at` is ISO 8601 in UTC.\n\n"
         "One statement sees one snapshot: every figure is read once, when the first table that "
         "shows it is scanned, and all tables of that run of the statement show the same, however "
         "they are joined and however slowly the rows are fetched. The next run, other statements, "
         "and the functions below see the present; `memory_config` always shows what is set.\n\n"
         "## Tables\n\n" +
         stats::tables_manual() +
         "## Functions\n\n"
         "SQLite has no CALL: run them as `SELECT name()`. Views and triggers of a database cannot "
         "call them.\n\n" +
         functions_manual() +
         "\n## Options\n\n"
         "Set by `UPDATE memory_config`, by `sqlitemem_set()`, or by the environment variable "
         "`SQLITEMEM_<NAME>` in capitals. Sizes take kB, MB, GB and TB (of 1024), times ms, s, "
         "min and h.\n\n" +
         stats::options_manual() +
         "\n## Views\n\n"
         "Each script creates one temporary view: nothing is stored in your database.\n\n" +
         scripts_manual(source_directory / "sql" / "views") +
         "\n## Reports\n\n"
         "Each script prints one answer.\n\n" +
         scripts_manual(source_directory / "sql" / "reports");
}

}  // namespace

int main(int argument_count, char** arguments) {
  const bool only_check = argument_count > 2 && std::string(arguments[1]) == "--check";
  if (argument_count < 2 || (argument_count > 2 && !only_check)) {
    fmt::print(stderr,
               "usage: sqlitemem_reference [--check] docs/reference.md or docs/doctor.md\n");
    return 2;
  }
  const std::filesystem::path file = arguments[argument_count - 1];
  const std::string text =
      file.stem() == "doctor" ? docs::doctor_page() : reference(SQLITEMEM_SOURCE_DIR);
  if (only_check) {
    if (read_all(file) == text) return 0;
    fmt::print(stderr, "{} is out of date; regenerate it with: {} {}\n", file.string(),
               arguments[0], file.string());
    return 1;
  }
  std::ofstream out(file, std::ios::binary);
  out << text;
  out.close();
  if (!out) {
    fmt::print(stderr, "cannot write {}\n", file.string());
    return 1;
  }
  return 0;
}
