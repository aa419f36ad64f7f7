// The two callbacks of a connection that SQLite has one place for, and that the program may want:
// its authorizer and its rollback hook.
#pragma once

#include <sqlite3.h>

#include <atomic>

namespace sqlitemem::ext {

using Authorizer = int (*)(void*, int, const char*, const char*, const char*, const char*);
using RollbackHook = void (*)(void*);

/// What the program gave SQLite for one connection, as far as it went through the preload library,
/// and whether ours is there instead. Under the connection's mutex, but for the atomics.
///
/// While ours is there, the program's authorizer is asked by ours; what the program sets meanwhile
/// is remembered, and in force as soon as ours lets go.
class HostSlots {
 public:
  /// The program's calls come through us: it opened the connection through the preload library.
  /// Set once, before anybody else knows the connection.
  bool is_watched = false;

  Authorizer authorizer = nullptr;
  void* authorizer_argument = nullptr;
  RollbackHook rollback_hook = nullptr;
  void* rollback_argument = nullptr;

  [[nodiscard]] bool is_ours() const noexcept { return is_ours_; }
  /// Puts our authorizer into the place, and takes the program's rollback hook out of its place, if
  /// it is known. Requires: the connection's mutex is ours.
  void take(sqlite3* db, Authorizer ours, void* argument) noexcept;
  /// Puts the program's rollback hook back.
  void give_back_hook(sqlite3* db) noexcept;
  /// Puts the program's authorizer back, or nothing where it is not known. No effect unless
  /// is_ours().
  void give_back(sqlite3* db) noexcept;

 private:
  bool is_ours_ = false;
};

/// The thread is inside a sqlite3_open() that came through the preload library.
bool is_opening_through_us() noexcept;
class OpeningThroughUs {
 public:
  OpeningThroughUs() noexcept;
  ~OpeningThroughUs();
  OpeningThroughUs(const OpeningThroughUs&) = delete;
  OpeningThroughUs& operator=(const OpeningThroughUs&) = delete;
};

}  // namespace sqlitemem::ext
