// Where frames come from: extents of 256 KiB that hold the pages of one size and their headers.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "allocators/base/bytes.h"
#include "allocators/base/check.h"
#include "allocators/pages/budget.h"
#include "allocators/pages/fill_map.h"
#include "allocators/pages/page_source.h"
#include "allocators/pages/region.h"
#include "allocators/pool/frame.h"

namespace sqlitemem {

inline constexpr std::size_t extent_bytes = 256 * kib;
/// Frame numbers are `extent << 6 | slot`, so an extent has at most 64 frames.
inline constexpr unsigned extent_frames_shift = 6;

/// What the frames of an extent have in common.
struct FrameKind {
  std::uint32_t page_bytes = 0;    ///< A power of two, 512 to 65536.
  std::uint32_t extra_bytes = 0;   ///< SQLite's own header behind ours.
  std::uint32_t header_bytes = 0;  ///< sizeof(Frame) + extra_bytes, rounded up to 8.
  std::uint32_t frames = 0;        ///< Per extent.
  std::uint32_t headers_at = 0;    ///< In the extent: behind the data of all pages.
  /// What one page costs: its data and its header.
  [[nodiscard]] std::uint64_t frame_bytes() const { return page_bytes + header_bytes; }
};
/// Tells where the data of a frame lies without a look at its header, which may be far away.
class PageLocator {
 public:
  constexpr PageLocator() noexcept = default;
  explicit PageLocator(const FrameKind& kind) noexcept
      : headers_at_(kind.headers_at),
        per_byte_(static_cast<std::uint32_t>((std::uint64_t{1} << 32) / kind.header_bytes + 1)),
        page_shift_(static_cast<std::uint32_t>(std::countr_zero(kind.page_bytes))) {}

  bool operator==(const PageLocator&) const = default;
  /// Of a frame of this kind: its `data`.
  [[nodiscard]] const std::byte* data_of(const Frame* frame) const noexcept {
    const auto within = reinterpret_cast<std::uintptr_t>(frame) % extent_bytes;
    const std::uint64_t header_at = static_cast<std::uint32_t>(within - headers_at_);
    const std::uint64_t slot = header_at * per_byte_ >> 32;
    return reinterpret_cast<const std::byte*>(frame) - within + (slot << page_shift_);
  }

 private:
  std::uint32_t headers_at_ = 0;
  std::uint32_t per_byte_ = 0;  ///< 2^32 divided by the bytes of a header, rounded up.
  std::uint32_t page_shift_ = 0;
};

using KindIndex = std::uint8_t;
inline constexpr KindIndex max_frame_kinds = 16;

/// Pages and headers, handed out one frame at a time.
///
///     extent, 256 KiB:  | data 0 | data 1 | … | data n-1 | header 0 | … | header n-1 |  slack |
///
/// Data starts at the extent, so every page is aligned to its size. Headers follow, so that what
/// SQLite reads past the last page of a corrupt database is mapped; the extent's number comes last.
/// Extents lie in one area, and beyond it, if that is allowed, in mappings of their own: these are
/// unmapped when they fall empty, but for a few idle ones that wait for trim(). A page is charged
/// to the budget when it is first used, and refunded when it is decommitted; headers, and pages
/// smaller than the operating system's, with the extent. Thread rules: under the pool's lock.
class FrameStore {
 public:
  /// Splits the committed-on-demand `area` (a multiple of extent_bytes, aligned to it) into
  /// extents, and maps more, up to `extents` in all. `descriptors`: descriptor_bytes(extents) of
  /// zeroed, committed memory.
  void start(Area& area, std::size_t extents, PageSource& pages, MemoryBudget& budget,
             void* descriptors) noexcept;
  [[nodiscard]] static std::size_t descriptor_bytes(std::size_t extents) noexcept {
    return extents * sizeof(Extent);
  }

  /// nullopt: more than max_frame_kinds combinations, or a page size that is none.
  [[nodiscard]] std::optional<KindIndex> kind_of(std::size_t page, std::size_t extra) noexcept;
  [[nodiscard]] const FrameKind& kind(KindIndex index) const noexcept { return kinds_[index]; }

  /// A free frame with `data`, `extra` and `kind` set. nullptr: the budget, the address
  /// space or the operating system refuses.
  [[nodiscard]] Frame* allocate(KindIndex kind) noexcept;
  /// One whose memory is held already. nullptr: there is none of this kind.
  [[nodiscard]] Frame* allocate_free(KindIndex kind) noexcept;
  /// The frame's memory stays resident for re-use; an extent that falls empty is kept while it is
  /// one of the few idle ones, else given back.
  void release(Frame& frame) noexcept;

  /// Gives the memory of all free frames back to the operating system; returns bytes.
  std::uint64_t trim() noexcept;

  [[nodiscard]] Frame* frame(FrameIndex index) const noexcept {
    const std::uint32_t extent = index >> extent_frames_shift;
    const FrameKind& kind = kinds_[extents_[extent].kind];
    const std::size_t slot = index & ((1U << extent_frames_shift) - 1);
    return reinterpret_cast<Frame*>(address(extent) + kind.headers_at + slot * kind.header_bytes);
  }
  [[nodiscard]] FrameIndex index_of(const Frame& frame) const noexcept {
    const FrameKind& kind = kinds_[frame.kind];
    const auto address = reinterpret_cast<std::uintptr_t>(&frame);
    const auto within = static_cast<std::uint32_t>(address % extent_bytes);
    const auto slot = (within - kind.headers_at) / kind.header_bytes;
    const auto* number = reinterpret_cast<const std::uint32_t*>(
        reinterpret_cast<const std::byte*>(&frame) + (kind.frames - slot) * kind.header_bytes);
    return *number << extent_frames_shift | slot;
  }
  [[nodiscard]] FrameIndex frame_limit() const noexcept {  ///< No frame has this number or above.
    return static_cast<FrameIndex>(opened_ << extent_frames_shift);
  }
  /// nullptr where no frame is in use.
  [[nodiscard]] Frame* frame_in_use(FrameIndex index) const noexcept;

  [[nodiscard]] std::uint64_t held_bytes() const noexcept { return held_bytes_; }
  [[nodiscard]] std::uint64_t frames_in_use() const noexcept { return frames_in_use_; }
  /// Free frames whose memory is held for re-use.
  [[nodiscard]] std::uint64_t free_frames() const noexcept { return free_frames_; }
  [[nodiscard]] std::uint64_t free_bytes() const noexcept { return free_bytes_; }
  /// Of all extents that were ever opened.
  [[nodiscard]] std::uint64_t span_bytes() const noexcept {
    return std::uint64_t{opened_} * extent_bytes;
  }
  /// A bit for each frame of the extent that is in use.
  [[nodiscard]] std::uint64_t used_slots(std::uint32_t extent) const noexcept {
    return extents_[extent].used;
  }
  /// Outside the area, and open.
  [[nodiscard]] bool is_mapped(std::uint32_t extent) const noexcept {
    return extents_[extent].is_mapped;
  }
  /// Address space of extents outside the area.
  [[nodiscard]] std::uint64_t mapped_bytes() const noexcept { return mapped_bytes_; }
  /// Gives an extent without a frame in use back.
  void give_back_idle(std::uint32_t extent) noexcept {
    if (extents_[extent].is_open && extents_[extent].used == 0) close_extent(extent);
  }
  /// Extents that may be open at a time.
  [[nodiscard]] std::size_t extent_limit() const noexcept { return extent_limit_; }
  [[nodiscard]] std::uint32_t extents() const noexcept { return opened_; }  ///< Ever opened.
  /// Of those of extents [first, first + count) that lie outside the area.
  [[nodiscard]] std::uint64_t mapped_resident_bytes(std::uint32_t first,
                                                    std::uint32_t count) const noexcept;
  /// What frames use and hold, headers included.
  void add_to(FillMap& map) const noexcept;
  [[nodiscard]] std::optional<Violation> find_violation() const noexcept;

 private:
  static constexpr std::uint32_t none = 0xFFFFFFFF;
  struct Extent {
    std::uint64_t used = 0;      // Bit per frame: handed out.
    std::uint64_t charged = 0;   // Bit per frame: its page was used since it was last given back.
    std::byte* begin = nullptr;  // nullptr: it has no address space now.
    std::uint32_t next = none, previous = none;  // In the kind's list, or the list of empty ones.
    KindIndex kind = 0;
    bool is_open = false;    // Has a kind; headers are charged.
    bool is_listed = false;  // In its kind's list of extents with room.
    bool is_mapped = false;  // By itself, outside the area; then it is open.
  };
  static_assert(sizeof(Extent) == 40);
  static constexpr std::uint32_t max_idle_extents = 4;

  [[nodiscard]] std::byte* address(std::uint32_t extent) const noexcept {
    return extents_[extent].begin;
  }
  [[nodiscard]] static std::uint64_t all_slots(const FrameKind& kind) noexcept {
    return kind.frames == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << kind.frames) - 1;
  }
  [[nodiscard]] static bool is_page_sized(const FrameKind& kind) noexcept {
    return kind.page_bytes >= page_bytes;
  }
  [[nodiscard]] static std::size_t data_bytes(const FrameKind& kind) noexcept {
    return std::size_t{kind.frames} * kind.page_bytes;
  }
  /// Charged while the extent is open, whatever frames are in use.
  [[nodiscard]] static std::size_t fixed_bytes(const FrameKind& kind) noexcept;
  [[nodiscard]] Frame* allocate_in(std::uint32_t extent) noexcept;
  [[nodiscard]] bool open_extent(KindIndex kind) noexcept;
  /// One with address space but no kind. `none`: there is no more to be had.
  [[nodiscard]] std::uint32_t take_extent() noexcept;
  void close_extent(std::uint32_t extent) noexcept;
  std::uint64_t trim_extent(std::uint32_t extent) noexcept;
  void list(std::uint32_t extent) noexcept;
  void unlist(std::uint32_t extent) noexcept;
  [[nodiscard]] bool charge(std::uint64_t bytes) noexcept;
  void refund(std::uint64_t bytes) noexcept;

  Area* area_ = nullptr;
  std::size_t extent_limit_ = 0;
  PageSource* pages_ = nullptr;
  MemoryBudget* budget_ = nullptr;
  Extent* extents_ = nullptr;
  std::array<FrameKind, max_frame_kinds> kinds_{};
  std::array<std::uint32_t, max_frame_kinds> with_room_{};
  KindIndex kind_count_ = 0;
  std::uint32_t opened_ = 0;  // Extents below have been open at least once.
  // Extents without a kind: with address space, which are taken first, and without.
  std::uint32_t closed_ = none, unmapped_ = none;
  std::uint32_t idle_extents_ = 0;  // Open, without a frame in use.
  std::uint64_t held_bytes_ = 0, frames_in_use_ = 0, free_frames_ = 0, free_bytes_ = 0;
  std::uint64_t mapped_bytes_ = 0;
};

}  // namespace sqlitemem
