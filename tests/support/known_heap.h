// The process's heap with known blocks in it, and a made-up connection.
#pragma once

#include <vector>

#include "allocators/manager/process_heap.h"
#include "tests/support/catch.h"
#include "tests/support/fake_sources.h"

namespace sqlitemem::tests {

/// Blocks of the process's heap, released at the end.
class Blocks {
 public:
  ~Blocks() { release_all(); }
  void* add(std::size_t bytes) {
    void* block = heap_allocate(bytes);
    REQUIRE(block != nullptr);
    blocks_.push_back(block);
    return block;
  }
  void add_many(std::size_t count, std::size_t bytes) {
    for (std::size_t done = 0; done < count; ++done) add(bytes);
  }
  void release_all() {
    for (void* block : blocks_) heap_release(block);
    blocks_.clear();
  }

 private:
  std::vector<void*> blocks_;
};

inline FakeSources sources_with_heap() {
  REQUIRE(start_process_heap() == MemoryManager::StartResult::ok);
  FakeSources sources;
  sources.the_heap = &process_heap();
  return sources;
}

inline stats::ConnectionMemoryRow a_connection(std::uint64_t id) {
  stats::ConnectionMemoryRow row;
  row.connection_id = id;
  row.database_file = "a \"quoted\\file\"\nname.db";
  row.opened_at = "2026-01-01T00:00:00Z";
  row.cache_used_bytes = row.cache_share_bytes = 1000 * id;
  row.schema_used_bytes = 100;
  row.stmt_used_bytes = 10;
  row.total_bytes = 1000 * id + 110;
  row.cache_hits = 7;
  return row;
}

}  // namespace sqlitemem::tests
