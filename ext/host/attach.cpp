// Shutdown, new allocator, start: what SQLite forgets on the way is saved first and put back
// afterwards.
#include "ext/host/attach.h"

#include "allocators/config.h"
#include "ext/host/heap_hook.h"
#include "ext/host/install.h"
#include "ext/host/memory_limits.h"
#include "ext/host/mode.h"

namespace sqlitemem::ext {
namespace {

/// What sqlite3_shutdown() and sqlite3_initialize() forget. The log callback, lookaside sizes,
/// threading mode and other sqlite3_config() settings live in SQLite's configuration and survive by
/// themselves.
class SavedState {
 public:
  explicit SavedState(const HostSqlite& host)
      : host_(host),
        default_vfs_(host.vfs_find(nullptr)),
        soft_limit_bytes_(host.soft_heap_limit64(-1)),
        hard_limit_bytes_(host.hard_heap_limit64(-1)),
        temp_directory_(host.temp_directory == nullptr ? nullptr : *host.temp_directory),
        data_directory_(host.data_directory == nullptr ? nullptr : *host.data_directory) {}

  /// SQLite runs again. The directories' texts are blocks of the previous allocator, which stays
  /// valid.
  void restore() const {
    if (default_vfs_ != nullptr) host_.vfs_register(default_vfs_, 1);
    // The hard limit first: it lowers the soft one.
    host_.hard_heap_limit64(hard_limit_bytes_);
    host_.soft_heap_limit64(soft_limit_bytes_);
    if (host_.temp_directory != nullptr) *host_.temp_directory = temp_directory_;
    if (host_.data_directory != nullptr) *host_.data_directory = data_directory_;
  }

 private:
  const HostSqlite& host_;
  sqlite3_vfs* default_vfs_;
  sqlite3_int64 soft_limit_bytes_, hard_limit_bytes_;
  char* temp_directory_;
  char* data_directory_;
};

/// Starts SQLite on the allocator that it had, and says why it did not get ours.
AttachOutcome go_back(const HostSqlite& host, const SavedState& saved, std::string reason) {
  const int restarted = host.initialize();
  if (restarted == SQLITE_OK) saved.restore();
  reason += restarted == SQLITE_OK
                ? " SQLite goes on with its previous allocator, as it was."
                : " Starting SQLite again on its previous allocator failed, too: code " +
                      std::to_string(restarted) + ".";
  return {false, std::move(reason)};
}

std::string refused(const char* step, int rc) {
  return std::string(step) + " answered " + std::to_string(rc) + ".";
}

/// What SQLite says it holds; it does count, or check_auto_extensions() would have refused.
LentBlocks counted_blocks(const HostSqlite& host) {
  sqlite3_int64 blocks = 0, highest = 0;
  host.status64(SQLITE_STATUS_MALLOC_COUNT, &blocks, &highest, 0);
  return {.bytes = host.memory_used(), .objects = blocks};
}

bool wants_memstatus_off() { return option_as<Memstatus>(&Config::memstatus) == Memstatus::off; }

constexpr const char* attach_success =
    "The allocator was taken over while SQLite was running. Older blocks stay with the previous "
    "allocator until they are freed or grow; page caches that exist stay as they are until their "
    "database is closed.";

}  // namespace

AttachOutcome attach(const HostSqlite& host) {
  if (auto reason = reason_not_to_attach(host)) return {false, std::move(*reason)};
  // Before anything is touched: without address space there is nothing to attach.
  if (!start_heap()) {
    return {false,
            "The address space for the heap could not be reserved (see option region_size, and "
            "ulimit -v)."};
  }
  const SavedState saved(host);
  const bool is_memstatus_off = wants_memstatus_off();
  set_corruption_log(host.log);

  host.shutdown();
  sqlite3_mem_methods methods_before{};
  if (const int rc = host.config(SQLITE_CONFIG_GETMALLOC, &methods_before); rc != SQLITE_OK) {
    return go_back(host, saved, refused("sqlite3_config(SQLITE_CONFIG_GETMALLOC)", rc));
  }
  if (!host.contains(reinterpret_cast<const void*>(methods_before.xMalloc))) {
    return go_back(host, saved, host_allocator_reason);
  }
  set_previous_methods(methods_before);
  set_older_blocks(counted_blocks(host));
  if (const int rc = host.config(SQLITE_CONFIG_MALLOC, &heap_methods(is_memstatus_off));
      rc != SQLITE_OK) {
    return go_back(host, saved, refused("sqlite3_config(SQLITE_CONFIG_MALLOC)", rc));
  }
  if (is_memstatus_off) host.config(SQLITE_CONFIG_MEMSTATUS, 0);
  const int pool_rc = install_page_cache(host, ProgramAllocator::keep);
  const int rc = pool_rc == SQLITE_OK ? host.initialize() : pool_rc;
  if (rc != SQLITE_OK) {
    host.shutdown();
    host.config(SQLITE_CONFIG_MALLOC, &methods_before);
    restore_page_cache(host);
    if (is_memstatus_off) host.config(SQLITE_CONFIG_MEMSTATUS, 1);
    return go_back(host, saved,
                   refused(pool_rc == SQLITE_OK ? "sqlite3_initialize()"
                                                : "sqlite3_config(SQLITE_CONFIG_PCACHE2)",
                           rc));
  }
  saved.restore();
  keep_limits_of(host);
  if (is_memstatus_off) set_accounting(Accounting::nobody);
  return {true, attach_success};
}

}  // namespace sqlitemem::ext
