// The ways in which a worker's SQLite gets its memory.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sqlitemem::bench {

struct SqliteSubject {
  std::string_view name;
  std::string_view preload;      ///< For LD_PRELOAD; empty: none.
  std::string_view extension;    ///< Loaded by the worker before the test; empty: none.
  std::string_view environment;  ///< "NAME=value" or empty.
};

/// stock and managed first; attached and observing load the extension; the rest replaces malloc
/// only.
std::span<const SqliteSubject> sqlite_subjects();

/// The environment of a worker for this subject.
std::vector<std::string> environment_of(const SqliteSubject& subject);

/// In a worker: loads the extension where the subject wants it, and makes sure that SQLite's memory
/// comes from where the subject's name says, by asking memory_mode() or the loader. Exits if it
/// does not: with exit_subject_missing if a file is missing.
void prepare_worker(std::string_view name);

}  // namespace sqlitemem::bench
