// The free regions of the large-object area: by address, by size and by age.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>

#include "allocators/base/check.h"
#include "allocators/config.h"
#include "allocators/large/region_tree.h"
#include "allocators/large/side_table.h"

namespace sqlitemem {

/// A stretch of the area, live or free. Page numbers count from the start of the area.
struct LargeRegion {
  std::uint32_t first_page = 0;
  std::uint32_t pages = 0;
  std::atomic<std::uint32_t> live_pages{0};  ///< `pages` if live, else 0. Read without the lock.
  bool is_live = false;
  bool is_huge = false;               ///< Live: advised for huge pages.
  LargeRegion* below = nullptr;       ///< The neighbour before it, live or free.
  LargeRegion* above = nullptr;       ///< The neighbour behind it; also links spare nodes.
  std::uint64_t since_ns = 0;         ///< Live: allocated at; free: free since.
  std::uint64_t object_id = 0;        ///< Live.
  std::uint64_t requested_bytes = 0;  ///< Live.
  std::uint32_t dirty_pages = 0;      ///< Free: pages that may be resident.
  std::uint32_t most_pages = 0;       ///< Free: the largest region in its subtree by address.
  std::uint32_t most_movable = 0;     ///< Free: no run of dirty pages that can move is longer.
  TreeLinks<LargeRegion> by_address, by_size;
  LargeRegion* older = nullptr;  ///< Free and dirty: the list by age.
  LargeRegion* newer = nullptr;

  [[nodiscard]] std::uint32_t end_page() const noexcept { return first_page + pages; }
  [[nodiscard]] PageRun run() const noexcept { return {.first = first_page, .pages = pages}; }
};
static_assert(sizeof(LargeRegion) <= 128, "a region costs one 128-byte block of metadata");

struct ByAddress {
  static TreeLinks<LargeRegion>& links(LargeRegion& region) noexcept { return region.by_address; }
  static bool before(const LargeRegion& a, const LargeRegion& b) noexcept {
    return a.first_page < b.first_page;
  }
  static void refresh(LargeRegion& region) noexcept {
    const auto [left, right] = region.by_address;
    region.most_pages = std::max({region.pages, left == nullptr ? 0 : left->most_pages,
                                  right == nullptr ? 0 : right->most_pages});
  }
};
struct BySize {
  static TreeLinks<LargeRegion>& links(LargeRegion& region) noexcept { return region.by_size; }
  static bool before(const LargeRegion& a, const LargeRegion& b) noexcept {
    return a.pages != b.pages ? a.pages < b.pages : a.first_page < b.first_page;
  }
  static void refresh(LargeRegion&) noexcept {}
};

/// Where an object could go.
struct Place {
  LargeRegion* region = nullptr;  ///< nullptr: nowhere.
  std::uint32_t first_page = 0;
};

/// What is wanted: `pages`, starting at a multiple of `alignment_pages` (a power of two) of
/// absolute page numbers.
struct PlaceRequest {
  std::uint32_t pages = 0;
  std::uint32_t alignment_pages = 1;
  AllocationStrategy strategy = AllocationStrategy::best_fit;
};

/// Three indexes of one set. Under the owner's lock.
class FreeRegions {
 public:
  /// `base_page`: the absolute page number of page 0, for alignment. `dirty`: one bit per page.
  void start(std::uint64_t base_page, const PageBits& dirty) noexcept;

  /// `newer`: the region behind it in the list by age; nullptr puts it at the young end.
  void insert(LargeRegion& region, LargeRegion* newer = nullptr) noexcept;
  void erase(LargeRegion& region) noexcept;
  /// Lowers the dirty count of a member.
  void set_dirty(LargeRegion& region, std::uint32_t dirty_pages) noexcept;

  /// Raises the dirty count of a member, which becomes as young as the youngest.
  void add_dirty(LargeRegion& region, std::uint32_t dirty_pages) noexcept;

  [[nodiscard]] Place find(const PlaceRequest& request) const noexcept;
  [[nodiscard]] LargeRegion* largest() const noexcept { return by_size_.last(); }
  [[nodiscard]] LargeRegion* oldest_dirty() const noexcept { return oldest_; }

  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  [[nodiscard]] std::uint64_t pages() const noexcept { return pages_; }
  [[nodiscard]] std::uint64_t dirty_pages() const noexcept { return dirty_pages_; }

  /// Whether the three indexes hold the same set in their orders, and the counters its sums. O(n).
  [[nodiscard]] std::optional<Violation> find_violation() const noexcept;

 private:
  friend struct LargeObjectsTestAccess;
  // How many sizes above the best fit are looked at for one with more dirty memory.
  static constexpr int best_fit_candidates = 32;

  [[nodiscard]] std::uint32_t first_fit_in(const LargeRegion& region,
                                           const PlaceRequest& request) const noexcept;
  [[nodiscard]] std::uint32_t last_fit_in(const LargeRegion& region,
                                          const PlaceRequest& request) const noexcept;
  [[nodiscard]] Place best_fit(const PlaceRequest& request) const noexcept;
  [[nodiscard]] Place first_fit(const PlaceRequest& request) const noexcept;
  [[nodiscard]] Place worst_fit(const PlaceRequest& request) const noexcept;
  void link_by_age(LargeRegion& region, LargeRegion* newer) noexcept;
  void unlink_by_age(LargeRegion& region) noexcept;

  std::uint64_t base_page_ = 0;
  const PageBits* dirty_ = nullptr;
  RegionTree<LargeRegion, ByAddress> by_address_;
  RegionTree<LargeRegion, BySize> by_size_;
  LargeRegion* oldest_ = nullptr;
  LargeRegion* newest_ = nullptr;
  std::uint64_t count_ = 0, pages_ = 0, dirty_pages_ = 0;
};

}  // namespace sqlitemem
