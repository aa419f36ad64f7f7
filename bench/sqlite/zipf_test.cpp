// Point reads of a 200 MB database, half by rowid and half by index, with default or ample caches.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <string>
#include <vector>

#include "bench/sqlite/database.h"
#include "bench/sqlite/tests.h"
#include "bench/sqlite/work_file.h"
#include "bench/sqlite/zipf.h"
#include "bench/support/clock.h"
#include "bench/support/resident.h"

namespace sqlitemem::bench {
namespace {

class Reader {
 public:
  Reader()
      : database_(WorkFile::path()),
        by_id_(database_, "SELECT id, body FROM item WHERE id=?1"),
        by_name_(database_, "SELECT id, body FROM item WHERE name=?1") {}

  /// As somebody does who knows that the whole file fits.
  void set_cache_for_all() { database_.execute("PRAGMA cache_size=-409600"); }
  /// The file stays locked from here on; else each statement locks it, and looks for changes.
  void begin() { database_.execute("BEGIN"); }
  /// Of every row only what is cheap to add up: the reading is what is measured.
  void read(std::uint32_t key, const std::string& name) {
    Statement& statement = name.empty() ? by_id_ : by_name_;
    if (name.empty())
      statement.bind(1, std::int64_t{key});
    else
      statement.bind(1, name);
    while (statement.step()) {
      const std::int64_t id = sqlite3_column_int64(statement.handle(), 0);
      const int bytes = sqlite3_column_bytes(statement.handle(), 1);
      hash_.add(&id, sizeof id);
      hash_.add(sqlite3_column_blob(statement.handle(), 1), std::min<std::size_t>(bytes, 8));
    }
    statement.reset();
  }
  [[nodiscard]] std::uint64_t answers() const { return hash_.value(); }
  [[nodiscard]] double hit_percent() const {
    int hits = 0, misses = 0, highest = 0;
    sqlite3_db_status(database_.handle(), SQLITE_DBSTATUS_CACHE_HIT, &hits, &highest, 0);
    sqlite3_db_status(database_.handle(), SQLITE_DBSTATUS_CACHE_MISS, &misses, &highest, 0);
    return 100.0 * hits / (hits + misses);
  }

 private:
  Database database_;
  Statement by_id_, by_name_;
  AnswerHash hash_;
};

struct Read {
  std::uint32_t key;
  std::string name;  ///< Empty: by rowid.
};

/// Drawn before the clock starts.
std::vector<Read> draw_reads(std::size_t count) {
  const ZipfKeys keys(work_file_rows);
  Random random(99);
  std::vector<Read> reads(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t key = keys.draw(random);
    reads[i] = {.key = key, .name = i % 2 == 0 ? "" : name_of_row(key)};
  }
  return reads;
}

/// Asks the kernel to forget the file, and looks whether it did.
bool make_file_cold(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  fsync(file);
  const auto bytes = static_cast<std::size_t>(lseek(file, 0, SEEK_END));
  posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> resident((bytes + page - 1) / page);
  void* mapping = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file, 0);
  const bool is_known = mapping != MAP_FAILED && mincore(mapping, bytes, resident.data()) == 0;
  if (mapping != MAP_FAILED) munmap(mapping, bytes);
  close(file);
  const auto left = std::count_if(resident.begin(), resident.end(),
                                  [](unsigned char state) { return (state & 1) != 0; });
  return is_known && static_cast<std::size_t>(left) * 100 < resident.size();
}

double thousands_per_second(std::size_t count, std::uint64_t ns) {
  return static_cast<double>(count) * 1e6 / static_cast<double>(ns);
}

void emit_answers(const Reader& reader) {
  std::printf("answers %016" PRIx64 "\n", reader.answers());
}

struct Setting {
  bool in_transaction = false;
  bool is_tuned = false;
};

void run_reads(const SqliteRun& run, Setting setting) {
  const std::vector<Read> reads = draw_reads(run.scaled(400'000));
  const std::size_t warm = reads.size() / 2, count = reads.size() - warm;
  Reader reader;
  if (setting.is_tuned) reader.set_cache_for_all();
  if (setting.in_transaction) reader.begin();
  for (std::size_t i = 0; i < warm; ++i) reader.read(reads[i].key, reads[i].name);
  const std::uint64_t cpu_before = thread_cpu_ns(), wall_before = wall_ns();
  for (std::size_t i = warm; i < reads.size(); ++i) reader.read(reads[i].key, reads[i].name);
  const std::uint64_t cpu = thread_cpu_ns() - cpu_before, wall = wall_ns() - wall_before;
  const std::string name(run.name);
  emit(name, thousands_per_second(count, cpu));
  emit(name + "_wall", thousands_per_second(count, wall));
  emit(name + "_hit_percent", reader.hit_percent());
  emit(name + "_peak_mib", static_cast<double>(peak_resident_bytes()) / 1048576);
  emit_answers(reader);
}

}  // namespace

void test_zipf_reads(const SqliteRun& run) { run_reads(run, {}); }
void test_zipf_reads_in_transaction(const SqliteRun& run) {
  run_reads(run, {.in_transaction = true});
}
void test_tuned_zipf_reads(const SqliteRun& run) { run_reads(run, {.is_tuned = true}); }
void test_tuned_zipf_reads_in_transaction(const SqliteRun& run) {
  run_reads(run, {.in_transaction = true, .is_tuned = true});
}

void test_zipf_cold_reads(const SqliteRun& run) {
  const std::vector<Read> reads = draw_reads(run.scaled(20'000));
  Reader reader;
  if (make_file_cold(WorkFile::path())) {
    const std::uint64_t before = wall_ns();
    for (const Read& read : reads) reader.read(read.key, read.name);
    emit(run.name, thousands_per_second(reads.size(), wall_ns() - before));
  } else {
    std::fprintf(stderr, "the kernel keeps the file in memory: no figure for a cold file\n");
  }
  emit_answers(reader);
}

}  // namespace sqlitemem::bench
