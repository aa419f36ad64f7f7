// One page cache, used through the methods as SQLite's pcache.c and pager do.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "bench/page_cache/subjects.h"

namespace sqlitemem::bench {

class Cache {
 public:
  /// `pages`: PRAGMA cache_size.
  Cache(const sqlite3_pcache_methods2& methods, int pages)
      : methods_(methods), handle_(methods.xCreate(page_bytes_asked, extra_bytes_asked, 1)) {
    if (handle_ == nullptr) fail("no page cache");
    methods_.xCachesize(handle_, pages);
  }
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;
  ~Cache() { methods_.xDestroy(handle_); }

  /// Of a read-only statement: createFlag 2. Then SQLite looks whether its extra area is
  /// initialised, counts a reference in it, looks whether the page is understood, and at the page.
  sqlite3_pcache_page* fetch(std::uint32_t key) {
    sqlite3_pcache_page* page = methods_.xFetch(handle_, key, 2);
    if (page == nullptr) fail("no page");
    auto* extra = static_cast<volatile std::uint64_t*>(page->pExtra);
    auto* data = static_cast<volatile std::uint64_t*>(page->pBuf);
    if (extra[0] == 0) {
      extra[0] = 1;
      extra[references_at] = 0;
      extra[understood_at] = 1;
      data[0] = key;  // The page is read.
      ++misses_;
    } else if (data[0] != key) {
      fail("a page holds another page's data");
    }
    extra[references_at] = extra[references_at] + extra[understood_at];
    return page;
  }
  void unpin(sqlite3_pcache_page* page) {
    auto* extra = static_cast<volatile std::uint64_t*>(page->pExtra);
    extra[references_at] = extra[references_at] - 1;
    methods_.xUnpin(handle_, page, 0);
  }
  void use(std::uint32_t key) { unpin(fetch(key)); }
  /// createFlag 0.
  [[nodiscard]] bool holds(std::uint32_t key) {
    return methods_.xFetch(handle_, key, 0) != nullptr;
  }
  /// Pages whose content was new.
  [[nodiscard]] std::uint64_t misses() const { return misses_; }

  [[noreturn]] static void fail(const char* why) {
    std::fprintf(stderr, "page cache: %s\n", why);
    std::exit(1);
  }

 private:
  /// In words, where SQLite 3.40 and later have PgHdr.nRef and MemPage.isInit.
  static constexpr int references_at = 7, understood_at = 9;

  const sqlite3_pcache_methods2& methods_;
  sqlite3_pcache* handle_;
  std::uint64_t misses_ = 0;
};

}  // namespace sqlitemem::bench
