// The doctor: every rule with its condition and with a near miss, and every statement it offers.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "allocators/base/bytes.h"
#include "allocators/stats/doctor/doctor_rules.h"
#include "allocators/stats/mapped_files.h"
#include "allocators/stats/tables.h"
#include "tests/support/catch.h"
#include "tests/support/examinations.h"
#include "tests/support/fake_sources.h"
#include "tests/support/known_heap.h"
#include "tests/support/surface.h"

using namespace sqlitemem;
using namespace sqlitemem::stats;
using sqlitemem::tests::a_healthy_process;
using sqlitemem::tests::all_cases;
using sqlitemem::tests::Blocks;
using sqlitemem::tests::Case;
using sqlitemem::tests::FakeSources;
using sqlitemem::tests::row_where;
using sqlitemem::tests::rows_of;
using sqlitemem::tests::sources_with_heap;
using sqlitemem::tests::Surface;

namespace {

std::vector<MemoryDoctorRow> rows_with(const std::function<void(Examination&)>& change) {
  Examination seen = a_healthy_process();
  change(seen);
  return diagnose(seen);
}
bool has(const std::vector<MemoryDoctorRow>& rows, std::string_view code) {
  return std::ranges::find(rows, code, &MemoryDoctorRow::code) != rows.end();
}
std::size_t rank_of(const std::string& severity) {
  return severity == "critical" ? 0 : severity == "warning" ? 1 : severity == "info" ? 2 : 3;
}
/// What the doctor says in SQL, one column.
std::vector<std::string> codes(Surface& surface) {
  return surface.column("SELECT code FROM memory_doctor");
}
bool lists(Surface& surface, const std::string& code) {
  const auto all = codes(surface);
  return std::ranges::find(all, code) != all.end();
}
/// A large enough SQLite for sizes to be judged.
void fill_for_doctor(Surface& surface) {
  REQUIRE(surface.error("CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)") == "");
  REQUIRE(surface.error("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                        "WHERE i < 20000) INSERT INTO t SELECT i, hex(randomblob(100)) FROM n") ==
          "");
}

}  // namespace

TEST_CASE("Doctor: every rule finds its condition, and not a near miss", "[doctor]") {
  for (const Case& each : all_cases()) {
    CAPTURE(each.code);
    const auto found = rows_with(each.make_true);
    REQUIRE(has(found, each.code));
    const auto row =
        row_where(found, [&](const MemoryDoctorRow& from) { return from.code == each.code; });
    CAPTURE(row.evidence);
    CHECK(row.evidence.ends_with('.'));
    CHECK(row.evidence.find_first_of("{}\n") == std::string::npos);
    CHECK_FALSE(has(rows_with(each.make_false), each.code));
    CHECK(std::ranges::is_sorted(
        found, {}, [](const MemoryDoctorRow& from) { return rank_of(from.severity); }));
  }
}

TEST_CASE("Doctor: no rule is without a test, and every test is of a rule", "[doctor]") {
  std::set<std::string_view> rules, tested;
  for (const DoctorRule& rule : doctor_rules()) {
    CAPTURE(rule.code);
    CHECK(rules.insert(rule.code).second);
    CHECK(rule.finding.ends_with('.'));
    CHECK(rule.advice.ends_with('.'));
  }
  for (const Case& each : all_cases()) tested.insert(each.code);
  CHECK(rules == tested);
  CHECK(rules.size() >= 30);
}

TEST_CASE("Doctor: a healthy process has one row, which says so", "[doctor]") {
  const auto rows = diagnose(a_healthy_process());
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].code == "healthy");
  CHECK(rows[0].severity == "ok");
  CHECK_THAT(rows[0].evidence, Catch::Contains("SQLite uses 40.0 MB"));
  // What is merely worth knowing does not make it ill.
  const auto informed = rows_with([](Examination& seen) { seen.pending_options = {"memstatus"}; });
  REQUIRE(informed.size() == 2);
  CHECK(informed[0].code == "option_pending");
  CHECK(informed[1].code == "healthy");
  CHECK_FALSE(has(rows_with([](Examination& seen) { seen.heap->figures.totals.corruptions = 1; }),
                  "healthy"));
}

TEST_CASE("Doctor: a tiny process is told so, and sizes are not judged, but facts are",
          "[doctor]") {
  const auto shrink = [](Examination& seen) {
    seen.heap->figures = {};
    seen.heap->figures.totals.reserved_bytes = gib;
    seen.heap->figures.slab_live_bytes = seen.heap->figures.slab_held_bytes = 200 * kib;
    seen.pool->totals.used_bytes = 300 * kib;
  };
  auto rows = rows_with(shrink);
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].code == "too_small");
  rows = rows_with([&](Examination& seen) {
    shrink(seen);
    seen.heap->figures.slab_held_bytes = 20 * mib;  // Fragmentation, were it judged.
    seen.heap->figures.totals.corruptions = 1;
  });
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].code == "corruption");
  CHECK(rows[1].code == "too_small");
}

TEST_CASE("Doctor: what cannot be measured gives no verdict", "[doctor]") {
  Examination blind;
  blind.heap_note = "No heap.";
  blind.library.note = "Nobody counts.";
  const auto rows = diagnose(blind);
  REQUIRE(rows.size() == 3);
  CHECK(has(rows, "observing"));
  CHECK(has(rows, "memstat_off"));
  CHECK_THAT(rows[2].evidence, Catch::Contains("an unknown amount"));
}

TEST_CASE("Doctor: of many cases of one rule the first are shown, and the rest counted",
          "[doctor]") {
  const auto rows = rows_with([](Examination& seen) {
    for (std::uint64_t id = 1; id <= 8; ++id) {
      OpenTransactionsRow& open = seen.transactions.emplace_back();
      open.connection_id = id;
      open.state = id == 7 ? "write" : "read";
      open.idle_seconds = 100;
      open.is_killable = true;
    }
  });
  REQUIRE(rows.size() == max_cases_per_rule);
  CHECK(rows[0].severity == "critical");
  CHECK_THAT(rows[0].evidence, Catch::Contains("Connection 7 (write)"));
  CHECK(rows[1].severity == "warning");
  CHECK_THAT(rows[2].evidence, Catch::EndsWith("There are 5 more cases."));
  CHECK(rows[0].fix_sql == "SELECT kill_orphaned_transactions(60)");
}

TEST_CASE("Doctor: every statement that it offers runs, attached", "[doctor][sql]") {
  const std::string file = "/tmp/sqlitemem_doctor_" + std::to_string(::getpid()) + ".db";
  std::set<std::string> offered = {fix::coalesce()};
  for (const Case& each : all_cases()) {
    for (const MemoryDoctorRow& row : rows_with(each.make_true)) {
      if (row.fix_sql) offered.insert(*row.fix_sql);
    }
  }
  for (const char* part :
       {"force_garbage_collection(1)", "force_garbage_collection(2)", "force_garbage_collection(3)",
        "kill_orphaned_transactions", "'buffer_pool_size'", "'memory_limit'",
        "'plan_cache_max_plans'", "'plan_cache_max_bytes'", "'transaction_arena_growth'",
        "PRAGMA cache_size", "PRAGMA mmap_size"}) {
    CAPTURE(part);
    CHECK(std::ranges::any_of(
        offered, [&](const std::string& sql) { return sql.find(part) != std::string::npos; }));
  }
  {
    Surface surface(file.c_str());
    REQUIRE_THAT(surface.value("SELECT memory_mode()"), Catch::StartsWith("attached: "));
    fill_for_doctor(surface);
    for (const std::string& sql : offered) {
      CAPTURE(sql);
      CHECK(surface.error(sql) == "");
    }
    CHECK(surface.value("SELECT memory_config('transaction_arena_growth')") == "on");
    CHECK(surface.value("SELECT source FROM memory_config WHERE name = 'buffer_pool_size'") ==
          "sql");
  }
  std::filesystem::remove(file);
}

TEST_CASE("Doctor: fixes that need no heap of ours run in observing mode, too", "[doctor][sql]") {
  ::setenv("SQLITEMEM_ATTACH", "never", 1);
  Surface surface;
  for (const Case& each : all_cases()) {
    Examination seen = a_healthy_process();
    each.make_true(seen);
    if (seen.heap) continue;
    for (const MemoryDoctorRow& row : diagnose(seen)) {
      if (!row.fix_sql) continue;
      CAPTURE(*row.fix_sql);
      CHECK(surface.error(*row.fix_sql) == "");
    }
  }
}

TEST_CASE("Doctor: an attached shell at work is well", "[doctor][sql]") {
  Surface surface;
  fill_for_doctor(surface);
  const auto all = codes(surface);
  REQUIRE_FALSE(all.empty());
  CHECK(surface.column("SELECT code FROM memory_doctor WHERE severity IN ('warning', 'critical')")
            .empty());
  CHECK(all.back() == "healthy");
  CHECK_FALSE(lists(surface, "observing"));
}

TEST_CASE("Doctor: in observing mode it says how to get more, and that the limit is dead",
          "[doctor][sql]") {
  ::setenv("SQLITEMEM_ATTACH", "never", 1);
  Surface surface;
  fill_for_doctor(surface);
  CHECK(lists(surface, "observing"));
  CHECK(surface.value("SELECT advice LIKE '%LD_PRELOAD%' FROM memory_doctor "
                      "WHERE code = 'observing'") == "1");
  CHECK_FALSE(lists(surface, "release_memory_noop"));
  sqlite3_soft_heap_limit64(8 << 20);
  CHECK(lists(surface, "release_memory_noop") ==
        (sqlite3_compileoption_used("ENABLE_MEMORY_MANAGEMENT") == 0));
  sqlite3_soft_heap_limit64(0);
}

TEST_CASE("Doctor: leaked statements are found in SQLite, by their fingerprint", "[doctor][sql]") {
  Surface surface;
  fill_for_doctor(surface);
  CHECK_FALSE(lists(surface, "statement_leak"));
  std::vector<sqlite3_stmt*> leaked(12);
  for (std::size_t number = 0; number < leaked.size(); ++number) {
    const std::string sql = "SELECT b FROM t WHERE a = " + std::to_string(number);
    REQUIRE(sqlite3_prepare_v2(surface.db(), sql.c_str(), -1, &leaked[number], nullptr) ==
            SQLITE_OK);
  }
  CHECK(lists(surface, "statement_leak"));
  CHECK(surface.value("SELECT subject FROM leak_suspects WHERE kind = 'statement'") ==
        "select b from t where a = ?");
  CHECK(surface.value("SELECT live_count FROM leak_suspects WHERE kind = 'statement'") == "12");
  CHECK(surface.number("SELECT live_bytes FROM leak_suspects WHERE kind = 'statement'") > 12 * 500);
  for (sqlite3_stmt* statement : leaked) sqlite3_finalize(statement);
  CHECK_FALSE(lists(surface, "statement_leak"));
}

TEST_CASE("Doctor: a statement that was stepped and left is found, with its text",
          "[doctor][sql]") {
  const std::string file = "/tmp/sqlitemem_doctor_open_" + std::to_string(::getpid()) + ".db";
  {
    Surface surface(file.c_str());
    REQUIRE(surface.error("CREATE TABLE t(a)") == "");
    REQUIRE(surface.error("INSERT INTO t VALUES(1), (2)") == "");
    surface.value("SELECT memory_config('orphan_idle_time', '0')");
    sqlite3* other = nullptr;
    REQUIRE(sqlite3_open(file.c_str(), &other) == SQLITE_OK);
    sqlite3_stmt* statement = nullptr;
    REQUIRE(sqlite3_prepare_v2(other, "SELECT a FROM t ORDER BY rowid", -1, &statement, nullptr) ==
            SQLITE_OK);
    CHECK_FALSE(lists(surface, "unreset_statement"));
    REQUIRE(sqlite3_step(statement) == SQLITE_ROW);
    CHECK(lists(surface, "orphaned_transaction"));
    CHECK(surface.value("SELECT evidence LIKE '%SELECT a FROM t ORDER BY rowid%' "
                        "FROM memory_doctor WHERE code = 'unreset_statement'") == "1");
    CHECK(surface.value("SELECT count(*) FROM memory_alerts WHERE code = 'orphaned_transaction' "
                        "AND cleared_at IS NULL") == "1");
    sqlite3_reset(statement);
    CHECK_FALSE(lists(surface, "unreset_statement"));
    CHECK_FALSE(lists(surface, "orphaned_transaction"));
    sqlite3_finalize(statement);
    sqlite3_close(other);
  }
  std::filesystem::remove(file);
}

TEST_CASE("Doctor: a write-ahead log that nobody checkpoints is found, and its fix works",
          "[doctor][sql]") {
  const std::string file = "/tmp/sqlitemem_doctor_wal_" + std::to_string(::getpid()) + ".db";
  {
    Surface surface(file.c_str());
    surface.value("PRAGMA journal_mode = WAL");
    surface.value("PRAGMA wal_autocheckpoint = 0");
    REQUIRE(surface.error("CREATE TABLE t(a)") == "");
    CHECK_FALSE(lists(surface, "wal_growth"));
    REQUIRE(surface.error("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                          "WHERE i < 70) INSERT INTO t SELECT zeroblob(1000000) FROM n") == "");
    REQUIRE(lists(surface, "wal_growth"));
    CHECK(surface.value("SELECT count(*) FROM memory_alerts WHERE code = 'wal_growth' "
                        "AND cleared_at IS NULL") == "1");
    surface.value(surface.value("SELECT fix_sql FROM memory_doctor WHERE code = 'wal_growth'"));
    REQUIRE(surface.error("INSERT INTO t VALUES(1)") == "");  // Starts the log again.
    CHECK_FALSE(lists(surface, "wal_growth"));
    CHECK(surface.value("SELECT count(*) FROM memory_alerts WHERE code = 'wal_growth' "
                        "AND cleared_at IS NULL") == "0");
  }
  for (const char* end : {"", "-wal", "-shm"}) std::filesystem::remove(file + end);
}

TEST_CASE("Doctor: settings of the asking connection are read, and asking changes none",
          "[doctor][sql]") {
  const std::string file = "/tmp/sqlitemem_doctor_map_" + std::to_string(::getpid()) + ".db";
  {
    Surface surface(file.c_str());
    REQUIRE(surface.error("CREATE TABLE t(a)") == "");
    REQUIRE(surface.error("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                          "WHERE i < 50) INSERT INTO t SELECT zeroblob(1000000) FROM n") == "");
    if (surface.number("PRAGMA mmap_size = 1000000000") < 100'000'000) return;  // Built without.
    REQUIRE(surface.error("PRAGMA cache_size = 77") == "");
    REQUIRE(surface.error("PRAGMA temp_store = MEMORY") == "");
    CHECK(surface.number("SELECT count(*) FROM t WHERE substr(a, -1) = x'00'") == 50);
// The memory of a sanitizer is larger than what the file takes.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    CHECK(lists(surface, "mmap_inflated"));
    CHECK(surface.value("SELECT fix_sql FROM memory_doctor WHERE code = 'mmap_inflated'") ==
          "PRAGMA mmap_size = 0");
#endif
    CHECK(surface.number("PRAGMA mmap_size") == 1'000'000'000);
    CHECK(surface.number("PRAGMA cache_size") == 77);
    CHECK(surface.number("PRAGMA temp_store") == 2);
    surface.value("PRAGMA mmap_size = 0");
    CHECK_FALSE(lists(surface, "mmap_inflated"));
  }
  std::filesystem::remove(file);
}

TEST_CASE("Doctor: through fake sources it sees the heap, the environment and the limit",
          "[doctor][stats]") {
  FakeSources sources = sources_with_heap();
  sources.the_root = "/nonexistent";
  sources.the_library.memory_used = sources.the_library.memory_peak = 8 * mib;
  Blocks blocks;
  blocks.add(4 * mib);
  auto rows = rows_of<MemoryDoctorRow>(sources);
  CHECK(rows.back().code == "healthy");
  sources.the_settings.environment_problems = "SQLITEMEM_POOL: unknown";
  sources.the_pressure.emplace();
  sources.the_pressure->limit_bytes = 100;
  sources.the_pressure->used_bytes = 95;
  sources.the_pressure->limit_note = "The control group's memory.max.";
  rows = rows_of<MemoryDoctorRow>(sources);
  REQUIRE(rows.size() >= 2);
  CHECK(rows[0].code == "limit_near");
  CHECK(rows[0].severity == "critical");
  CHECK_THAT(rows[0].evidence, Catch::Contains("95 B of 100 B") && Catch::EndsWith("memory.max."));
  CHECK(has(rows, "option_ignored"));
}

TEST_CASE("Mapped files: smaps is read to the byte, also names with blanks", "[doctor][stats]") {
  const std::string root = "/tmp/sqlitemem_smaps_" + std::to_string(::getpid());
  std::filesystem::create_directories(root + "/proc/self");
  std::ofstream(root + "/proc/self/smaps")
      << "7f0000000000-7f0000100000 r--s 00000000 08:01 12                  /data/a b.db\n"
         "Size:               1024 kB\nRss:                 300 kB\nPss: 300 kB\n"
         "7f0000200000-7f0000300000 r-xp 00000000 08:01 13                  /lib/libc.so\n"
         "Rss:                 900 kB\n"
         "7f0000400000-7f0000500000 rw-p 00000000 00:00 0 \n"
         "Rss:                  40 kB\n"
         "7f0000600000-7f0000700000 r--s 00000000 08:01 12                  /data/a b.db\n"
         "Rss:                   4 kB\nVmFlags: rd\n";
  const std::vector<std::string> files = {"/data/a b.db"};
  CHECK(read_mapped_bytes(root, files) == 304 * kib);
  CHECK(read_mapped_bytes(root, {}) == 0u);
  CHECK_FALSE(read_mapped_bytes("/nonexistent", files).has_value());
  std::filesystem::remove_all(root);
}
