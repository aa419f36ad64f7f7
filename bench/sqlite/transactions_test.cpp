// How long it takes to look at the transactions of a thousand connections.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <vector>

#include "bench/sqlite/database.h"
#include "bench/sqlite/tests.h"
#include "bench/support/clock.h"

namespace sqlitemem::bench {
namespace {

constexpr std::size_t connection_count = 1000;

/// Two file descriptors per connection.
void allow_many_files() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

bool has_table(sqlite3* db) {
  return sqlite3_exec(db, "SELECT * FROM open_transactions WHERE false", nullptr, nullptr,
                      nullptr) == SQLITE_OK;
}

/// A database of its own in the current directory, removed at the end.
class ScratchFile {
 public:
  ScratchFile() {
    const int descriptor = mkstemp(path_.data());
    if (descriptor >= 0) close(descriptor);
  }
  ~ScratchFile() {
    for (const char* end : {"", "-wal", "-shm"}) std::remove((path_ + end).c_str());
  }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_ = "open_transactions_XXXXXX";
};

}  // namespace

void test_open_transactions(const SqliteRun& run) {
  allow_many_files();
  const ScratchFile file;
  Database asking(":memory:");
  if (!has_table(asking.handle())) return;
  std::vector<std::unique_ptr<Database>> open;
  for (std::size_t i = 0; i < connection_count; ++i) {
    open.push_back(std::make_unique<Database>(file.path()));
    if (i == 0) open[0]->execute("PRAGMA journal_mode=WAL; CREATE TABLE t(x)");
    open.back()->execute("BEGIN");
    AnswerHash hash;
    open.back()->query("SELECT * FROM t", hash);
  }
  Statement look(asking,
                 "SELECT count(*), sum(idle_seconds), sum(wal_frames_pinned) "
                 "FROM open_transactions");
  std::array<double, 15> slices{};
  for (double& ms : slices) {
    const std::uint32_t repetitions = run.scaled(10);
    const std::uint64_t started = wall_ns();
    for (std::uint32_t i = 0; i < repetitions; ++i) look.run();
    ms = static_cast<double>(wall_ns() - started) / 1e6 / repetitions;
  }
  if (!look.step() || sqlite3_column_int64(look.handle(), 0) != connection_count) std::abort();
  look.reset();
  std::sort(slices.begin(), slices.end());
  emit(run.name, slices[slices.size() / 2]);
}

}  // namespace sqlitemem::bench
