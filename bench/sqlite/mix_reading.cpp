// Asking: ranges, text patterns, joins, subqueries, grouping, sorting, a recursive query.
#include <array>

#include "bench/sqlite/mix_phases.h"

namespace sqlitemem::bench {
namespace {

/// Runs one statement many times with a range that moves.
void query_ranges(Mix& mix, const char* sql, std::uint32_t times, std::uint32_t bound,
                  std::uint32_t width) {
  Statement query(mix.database, sql);
  for (std::uint32_t i = 0; i < times; ++i) {
    const std::int64_t low = mix.random.below(bound);
    query.bind(1, low).bind(2, low + width).run(mix.answers);
  }
}

void scan_ranges(Mix& mix) {
  query_ranges(mix, "SELECT count(*), avg(b), sum(length(c)) FROM t2 WHERE b+0 BETWEEN ?1 AND ?2",
               10, 500'000, 5'000);
}

void scan_patterns(Mix& mix) {
  Statement query(mix.database, "SELECT count(*), avg(b), max(c) FROM z1 WHERE c LIKE ?1");
  for (int i = 0; i < 10; ++i) {
    query.bind(1, "%" + in_words(mix.random.below(100)) + "%").run(mix.answers);
  }
}

void look_up_ranges(Mix& mix) {
  query_ranges(mix, "SELECT count(*), avg(b), group_concat(c) FROM z1 WHERE b BETWEEN ?1 AND ?2",
               mix.rows / 20, 500'000, 200);
  query_ranges(mix, "SELECT a, b, c FROM z1 WHERE a BETWEEN ?1 AND ?2", mix.rows / 10, mix.rows,
               20);
}

void look_up_text(Mix& mix) {
  Statement query(mix.database, "SELECT a, b, c FROM t3 WHERE c>=?1 ORDER BY c, a LIMIT 5");
  for (std::uint32_t i = 0; i < mix.rows / 5; ++i) {
    query.bind(1, in_words(mix.random.below(500'000))).run(mix.answers);
  }
}

/// As programs do it that keep no statements: prepared anew for every row.
void look_up_prepared_anew(Mix& mix) {
  for (std::uint32_t i = 0; i < mix.rows / 4; ++i) {
    Statement(mix.database, "SELECT b, c FROM z1 WHERE a=?1")
        .bind(1, std::int64_t{1 + mix.random.below(mix.rows)})
        .run(mix.answers);
  }
}

void join_tables(Mix& mix) {
  query_ranges(mix,
               "SELECT z1.c, t2.c, t3.c FROM z1 JOIN t2 ON t2.b=z1.b LEFT JOIN t3 ON t3.c=t2.c "
               "WHERE z1.a BETWEEN ?1 AND ?2 ORDER BY 2, 1, 3",
               mix.rows / 200, mix.rows, 100);
}

void ask_subqueries(Mix& mix) {
  query_ranges(mix,
               "SELECT a, b, (SELECT max(c) FROM t2 WHERE t2.b<=z1.b AND t2.b>z1.b-50) FROM z1 "
               "WHERE a BETWEEN ?1 AND ?2 AND b IN (SELECT b FROM t2) "
               "AND NOT EXISTS (SELECT 1 FROM t3 WHERE t3.a=z1.b)",
               mix.rows / 4000, mix.rows, 200);
}

void sort_and_group(Mix& mix) {
  mix.database.query("SELECT c, a FROM z1 ORDER BY substr(c, 5), b DESC LIMIT 1000", mix.answers);
  mix.database.query("SELECT DISTINCT substr(c, 1, 12) FROM t2 ORDER BY 1", mix.answers);
  mix.database.query("SELECT b%97, count(*), sum(a), min(c) FROM z1 GROUP BY 1 ORDER BY 2, 1",
                     mix.answers);
  mix.database.query("SELECT a, sum(b) OVER (PARTITION BY b%10 ORDER BY a) FROM z1 WHERE a%7=0",
                     mix.answers);
}

void compute_recursively(Mix& mix) {
  mix.database.query(
      "WITH RECURSIVE prime(n) AS (VALUES(2) UNION ALL SELECT n+1 FROM prime WHERE n<1500) "
      "SELECT group_concat(n) FROM prime AS p WHERE NOT EXISTS "
      "(SELECT 1 FROM prime AS d WHERE d.n<p.n AND d.n*d.n<=p.n AND p.n%d.n=0)",
      mix.answers);
}

void build_text(Mix& mix) {
  query_ranges(mix,
               "SELECT upper(replace(c, ' ', '_'))||printf('%08d', b), instr(c, 'hundred') FROM t2 "
               "WHERE b BETWEEN ?1 AND ?2",
               200, 500'000, 2'000);
  query_ranges(mix,
               "SELECT json_group_array(json_object('a', a, 'b', b, 'c', c)) FROM z1 "
               "WHERE a BETWEEN ?1 AND ?2",
               200, mix.rows, 50);
}

constexpr std::array<MixPhase, 10> reading_list{{
    {"scan ranges", scan_ranges},
    {"scan patterns", scan_patterns},
    {"look up ranges", look_up_ranges},
    {"look up text", look_up_text},
    {"look up, prepared anew", look_up_prepared_anew},
    {"join", join_tables},
    {"subqueries", ask_subqueries},
    {"sort and group", sort_and_group},
    {"recursive query", compute_recursively},
    {"build text", build_text},
}};

}  // namespace

std::span<const MixPhase> reading_phases() { return reading_list; }

}  // namespace sqlitemem::bench
