// The 200 MB database that tests of the page cache read.
#pragma once

#include <cstdint>
#include <string>

namespace sqlitemem::bench {

/// Rows of its table item(id INTEGER PRIMARY KEY, name TEXT, body TEXT) with an index on name.
inline constexpr std::uint32_t work_file_rows = 400'000;

/// The name of row `id`: in the index, neighbours in the table are far apart.
std::string name_of_row(std::uint32_t id);

/// Made by the driver in the directory for temporary files, and removed with the object. Workers
/// find it through the environment.
class WorkFile {
 public:
  WorkFile();
  WorkFile(const WorkFile&) = delete;
  WorkFile& operator=(const WorkFile&) = delete;
  ~WorkFile();

  /// "NAME=value" for the environment of a worker.
  [[nodiscard]] std::string environment() const;
  /// In a worker. Ends it if there is none.
  static std::string path();

 private:
  std::string directory_;
};

}  // namespace sqlitemem::bench
