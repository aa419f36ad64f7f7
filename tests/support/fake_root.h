// A fake tree of /proc and /sys, for what reads the operating system's files.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/catch.h"

namespace sqlitemem::tests {

/// A directory that stands for "/", gone at the end of the test.
class FakeRoot {
 public:
  FakeRoot() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sqlitemem_XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~FakeRoot() { std::filesystem::remove_all(path_); }
  FakeRoot(const FakeRoot&) = delete;
  FakeRoot& operator=(const FakeRoot&) = delete;

  void write(const std::string& file, const std::string& text) const {
    const std::filesystem::path whole = path_ + file;
    std::filesystem::create_directories(whole.parent_path());
    std::ofstream(whole) << text;
  }
  /// There, but cannot be read, not even by root: a directory.
  void make_unreadable(const std::string& file) const {
    std::filesystem::remove(path_ + file);
    std::filesystem::create_directories(path_ + file);
  }
  void remove(const std::string& file) const { std::filesystem::remove_all(path_ + file); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace sqlitemem::tests
