// A connection and its statements for the benchmarks: every failure ends the worker in words.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace sqlitemem::bench {

/// FNV-1a over everything that queries answer. Cheap, and the same cost for every subject.
class AnswerHash {
 public:
  void add(const void* bytes, std::size_t count) {
    const auto* byte = static_cast<const unsigned char*>(bytes);
    for (std::size_t i = 0; i < count; ++i) hash_ = (hash_ ^ byte[i]) * 0x100000001B3u;
  }
  [[nodiscard]] std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = 0xCBF29CE484222325u;
};

class Database {
 public:
  explicit Database(const std::string& path);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database() { sqlite3_close(handle_); }

  /// Statements without answers, separated by semicolons.
  void execute(const char* sql);
  /// One statement; every value of its rows goes into the hash.
  void query(const char* sql, AnswerHash& hash);
  [[nodiscard]] sqlite3* handle() const { return handle_; }

 private:
  sqlite3* handle_ = nullptr;
};

class Statement {
 public:
  Statement(Database& database, const char* sql);
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement() { sqlite3_finalize(handle_); }

  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, std::string_view text);
  bool step();  ///< True: there is a row.
  void reset() { sqlite3_reset(handle_); }
  void run();  ///< Steps to the end and resets.
  void run(AnswerHash& hash);
  [[nodiscard]] sqlite3_stmt* handle() const { return handle_; }

 private:
  Database& database_;
  sqlite3_stmt* handle_ = nullptr;
};

}  // namespace sqlitemem::bench
