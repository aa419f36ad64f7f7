// Runs all phases of the speed mix on one database, in memory or in a file.
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "bench/sqlite/mix_phases.h"
#include "bench/sqlite/tests.h"
#include "bench/support/resident.h"

namespace sqlitemem::bench {
namespace {

/// A file that is gone when the worker is.
class TemporaryFile {
 public:
  TemporaryFile() {
    const char* directory = std::getenv("TMPDIR");
    path_ = std::string(directory == nullptr ? "/tmp" : directory) + "/sqlitemem-bench-XXXXXX";
    const int file = mkstemp(path_.data());
    if (file < 0) {
      std::perror(path_.c_str());
      std::exit(1);
    }
    close(file);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { unlink(path_.c_str()); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void run_phases(const SqliteRun& run, const std::string& path) {
  Database database(path);
  // What is compared is CPU time and memory: waiting for a disk would only add noise.
  database.execute("PRAGMA synchronous=OFF");
  AnswerHash answers;
  Mix mix{.database = database, .answers = answers, .rows = run.scaled(40'000)};
  for (const auto phases : {writing_phases(), reading_phases(), changing_phases()}) {
    for (const MixPhase& phase : phases) phase.run(mix);
  }
  std::printf("answers %016" PRIx64 "\n", answers.value());
}

}  // namespace

void test_speed_mix(const SqliteRun& run) {
  if (run.is_in_memory) {
    run_phases(run, ":memory:");
  } else {
    const TemporaryFile file;
    run_phases(run, file.path());
  }
  emit(std::string(run.name) + "_peak_mib",
       static_cast<double>(peak_resident_bytes()) / (1024.0 * 1024.0));
}

}  // namespace sqlitemem::bench
