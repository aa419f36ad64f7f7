// Filling: inserts in order, in random order and into indexed tables, index builds.
#include <array>

#include "bench/sqlite/mix_phases.h"

namespace sqlitemem::bench {
namespace {

constexpr std::array<const char*, 20> below_twenty = {
    "zero",     "one",     "two",     "three",     "four",     "five",    "six",
    "seven",    "eight",   "nine",    "ten",       "eleven",   "twelve",  "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
constexpr std::array<const char*, 10> tens = {"",      "",      "twenty",  "thirty", "forty",
                                              "fifty", "sixty", "seventy", "eighty", "ninety"};

void append_words(std::string& text, std::uint32_t number) {
  if (number >= 1000) {
    append_words(text, number / 1000);
    text += " thousand";
    number %= 1000;
    if (number == 0) return;
    text += ' ';
  }
  if (number >= 100) {
    text.append(below_twenty[number / 100]).append(" hundred");
    number %= 100;
    if (number == 0) return;
    text += ' ';
  }
  if (number >= 20) {
    text += tens[number / 10];
    if (number % 10 == 0) return;
    text += ' ';
    number %= 10;
  }
  text += below_twenty[number];
}

void insert_rows(Mix& mix, const char* sql, bool in_order) {
  mix.database.execute("BEGIN");
  Statement insert(mix.database, sql);
  for (std::uint32_t i = 1; i <= mix.rows; ++i) {
    const std::uint32_t value = mix.random.below(500'000);
    const std::int64_t key = in_order ? i : mix.random.below(0x7FFFFFFF);
    insert.bind(1, key).bind(2, std::int64_t{value}).bind(3, in_words(value)).run();
  }
  mix.database.execute("COMMIT");
}

void insert_in_order(Mix& mix) {
  mix.database.execute("CREATE TABLE z1(a INTEGER, b INTEGER, c TEXT)");
  insert_rows(mix, "INSERT INTO z1 VALUES(?1,?2,?3)", /*in_order=*/true);
}

void insert_keyed(Mix& mix) {
  mix.database.execute("CREATE TABLE t2(a INTEGER PRIMARY KEY, b INTEGER, c TEXT)");
  insert_rows(mix, "INSERT OR REPLACE INTO t2 VALUES(?1,?2,?3)", /*in_order=*/false);
}

void insert_indexed(Mix& mix) {
  mix.database.execute(
      "CREATE TABLE t3(a INTEGER, b INTEGER, c TEXT, PRIMARY KEY(a, b)) WITHOUT ROWID;"
      "CREATE INDEX t3c ON t3(c)");
  insert_rows(mix, "INSERT OR REPLACE INTO t3 VALUES(?1,?2,?3)", /*in_order=*/false);
}

/// Many small transactions in autocommit, each prepared anew by sqlite3_exec.
void insert_singly(Mix& mix) {
  mix.database.execute("CREATE TABLE small(a INTEGER PRIMARY KEY, b TEXT)");
  for (std::uint32_t i = 0; i < mix.rows / 10; ++i) {
    const std::string sql =
        "INSERT INTO small(b) VALUES('" + in_words(mix.random.below(9999)) + "')";
    mix.database.execute(sql.c_str());
  }
}

void build_indexes(Mix& mix) {
  mix.database.execute(
      "CREATE UNIQUE INDEX z1a ON z1(a);"
      "CREATE INDEX z1b ON z1(b);"
      "CREATE INDEX z1c ON z1(c);"
      "CREATE INDEX t2b ON t2(b);"
      "CREATE INDEX t2cb ON t2(c, b);"
      "ANALYZE");
}

constexpr std::array<MixPhase, 5> writing_list{{
    {"insert in order", insert_in_order},
    {"insert by random key", insert_keyed},
    {"insert into an indexed table", insert_indexed},
    {"insert singly", insert_singly},
    {"build indexes", build_indexes},
}};

}  // namespace

std::string in_words(std::uint32_t number) {
  std::string text;
  append_words(text, number);
  return text;
}

std::span<const MixPhase> writing_phases() { return writing_list; }

}  // namespace sqlitemem::bench
