// Changing: updates, deletes, refills, copies, a rolled back savepoint, and the integrity check.
#include <array>

#include "bench/sqlite/mix_phases.h"

namespace sqlitemem::bench {
namespace {

void update_ranges(Mix& mix) {
  mix.database.execute("BEGIN");
  Statement update(mix.database, "UPDATE t2 SET b=b+1000 WHERE b BETWEEN ?1 AND ?1+100");
  for (std::uint32_t i = 0; i < mix.rows / 50; ++i) {
    update.bind(1, std::int64_t{mix.random.below(500'000)}).run();
  }
  mix.database.execute("COMMIT");
}

void update_rows(Mix& mix) {
  mix.database.execute("BEGIN");
  Statement number(mix.database, "UPDATE z1 SET b=b+?2 WHERE a=?1");
  Statement text(mix.database, "UPDATE z1 SET c=?2 WHERE a=?1");
  for (std::uint32_t i = 0; i < mix.rows / 3; ++i) {
    const std::int64_t key = 1 + mix.random.below(mix.rows);
    number.bind(1, key).bind(2, std::int64_t{7}).run();
    text.bind(1, key).bind(2, in_words(mix.random.below(500'000))).run();
  }
  mix.database.execute("COMMIT");
}

void copy_table(Mix& mix) {
  mix.database.execute(
      "CREATE TABLE copied AS SELECT * FROM z1 ORDER BY b;"
      "INSERT INTO copied SELECT a, b, c||' again' FROM t2;"
      "CREATE INDEX copied_b ON copied(b)");
}

void roll_back(Mix& mix) {
  mix.database.execute(
      "BEGIN; SAVEPOINT one;"
      "UPDATE copied SET c=upper(c) WHERE a%3=0; DELETE FROM copied WHERE b%5=0;"
      "ROLLBACK TO one; UPDATE copied SET b=b+1 WHERE a%4=0; ROLLBACK");
  mix.database.query("SELECT count(*), sum(b), max(c) FROM copied", mix.answers);
}

void delete_and_refill(Mix& mix) {
  mix.database.execute(
      "DELETE FROM copied WHERE c LIKE '%seven%';"
      "DELETE FROM t2 WHERE b<100000;"
      "INSERT OR IGNORE INTO t2 SELECT a, b, c FROM z1;"
      "DELETE FROM copied;"
      "INSERT INTO copied SELECT a, b, c FROM z1 WHERE b%2=0;"
      "DROP INDEX copied_b");
}

void check_integrity(Mix& mix) {
  mix.database.query("PRAGMA integrity_check", mix.answers);
  mix.database.query("SELECT count(*), sum(a), sum(b), sum(length(c)) FROM z1", mix.answers);
  mix.database.query("SELECT count(*), sum(a), sum(b), sum(length(c)) FROM t2", mix.answers);
}

constexpr std::array<MixPhase, 6> changing_list{{
    {"update ranges", update_ranges},
    {"update rows", update_rows},
    {"copy a table", copy_table},
    {"roll back", roll_back},
    {"delete and refill", delete_and_refill},
    {"check integrity", check_integrity},
}};

}  // namespace

std::span<const MixPhase> changing_phases() { return changing_list; }

}  // namespace sqlitemem::bench
