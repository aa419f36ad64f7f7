// Extents: opening, handing out frames, giving memory back.
#include "allocators/pool/frame_store.h"

#include <algorithm>
#include <bit>
#include <new>

namespace sqlitemem {
namespace {

constexpr std::uint32_t slot_mask = (1U << extent_frames_shift) - 1;

FrameKind make_kind(std::size_t page, std::size_t extra) {
  FrameKind kind;
  kind.page_bytes = static_cast<std::uint32_t>(page);
  kind.extra_bytes = static_cast<std::uint32_t>(extra);
  kind.header_bytes = static_cast<std::uint32_t>(frame_header_bytes(extra));
  // 16 bytes more than the last header: what SQLite may read past a page stays inside the extent.
  kind.frames = static_cast<std::uint32_t>(std::min<std::size_t>(
      std::size_t{1} << extent_frames_shift, (extent_bytes - 16) / (page + kind.header_bytes)));
  kind.headers_at = kind.frames * kind.page_bytes;
  return kind;
}

}  // namespace

void FrameStore::start(Area& area, std::size_t extents, PageSource& pages, MemoryBudget& budget,
                       void* descriptors) noexcept {
  area_ = &area;
  extent_limit_ = extents;
  pages_ = &pages;
  budget_ = &budget;
  extents_ = static_cast<Extent*>(descriptors);
  with_room_.fill(none);
}

bool FrameStore::charge(std::uint64_t bytes) noexcept {
  if (!budget_->charge(bytes)) return false;
  held_bytes_ += bytes;
  return true;
}

void FrameStore::refund(std::uint64_t bytes) noexcept {
  budget_->refund(bytes);
  held_bytes_ -= bytes;
}

std::optional<KindIndex> FrameStore::kind_of(std::size_t page, std::size_t extra) noexcept {
  if (!std::has_single_bit(page) || page < 512 || page > 65536 || extra > 4096) return std::nullopt;
  for (KindIndex index = 0; index < kind_count_; ++index) {
    if (kinds_[index].page_bytes == page && kinds_[index].extra_bytes == extra) return index;
  }
  if (kind_count_ == max_frame_kinds) return std::nullopt;
  kinds_[kind_count_] = make_kind(page, extra);
  return kind_count_++;
}

std::size_t FrameStore::fixed_bytes(const FrameKind& kind) noexcept {
  const std::size_t headers = std::size_t{kind.frames} * kind.header_bytes + sizeof(std::uint32_t);
  return round_up(is_page_sized(kind) ? headers : data_bytes(kind) + headers, page_bytes);
}

void FrameStore::list(std::uint32_t extent) noexcept {
  Extent& entry = extents_[extent];
  entry.previous = none;
  entry.next = with_room_[entry.kind];
  if (entry.next != none) extents_[entry.next].previous = extent;
  with_room_[entry.kind] = extent;
  entry.is_listed = true;
}

void FrameStore::unlist(std::uint32_t extent) noexcept {
  Extent& entry = extents_[extent];
  if (entry.next != none) extents_[entry.next].previous = entry.previous;
  (entry.previous != none ? extents_[entry.previous].next : with_room_[entry.kind]) = entry.next;
  entry.is_listed = false;
}

std::uint32_t FrameStore::take_extent() noexcept {
  if (closed_ != none) {
    const std::uint32_t extent = closed_;
    closed_ = extents_[extent].next;
    extents_[extent] = {.begin = extents_[extent].begin};
    return extent;
  }
  const bool is_new = unmapped_ == none;
  const std::uint32_t extent = is_new ? opened_ : unmapped_;
  if (extent >= extent_limit_) return none;
  std::byte* begin = area_->extend(extent_bytes);
  const bool is_mapped = begin == nullptr;
  if (is_mapped) begin = static_cast<std::byte*>(pages_->map(extent_bytes, extent_bytes));
  if (begin == nullptr) return none;
  if (is_mapped) mapped_bytes_ += extent_bytes;
  if (is_new)
    ++opened_;
  else
    unmapped_ = extents_[extent].next;
  extents_[extent] = {.begin = begin, .is_mapped = is_mapped};
  return extent;
}

bool FrameStore::open_extent(KindIndex kind_index) noexcept {
  const FrameKind& kind = kinds_[kind_index];
  if (!charge(fixed_bytes(kind))) return false;
  const std::uint32_t extent = take_extent();
  if (extent == none) return refund(fixed_bytes(kind)), false;
  extents_[extent].kind = kind_index;
  extents_[extent].is_open = true;
  std::byte* headers = address(extent) + data_bytes(kind);
  for (std::uint32_t slot = 0; slot < kind.frames; ++slot) {
    // Decommitted memory reads as zero, but headers of an earlier kind may still be there.
    auto* frame = new (headers + std::size_t{slot} * kind.header_bytes) Frame;
    frame->data = address(extent) + std::size_t{slot} * kind.page_bytes;
    frame->extra = frame + 1;
    frame->kind = kind_index;
  }
  new (headers + std::size_t{kind.frames} * kind.header_bytes) std::uint32_t(extent);
  ++idle_extents_;
  list(extent);
  return true;
}

Frame* FrameStore::frame_in_use(FrameIndex index) const noexcept {
  const Extent& entry = extents_[index >> extent_frames_shift];
  const bool is_used = entry.is_open && (entry.used >> (index & slot_mask) & 1) != 0;
  return is_used ? frame(index) : nullptr;
}

Frame* FrameStore::allocate(KindIndex kind_index) noexcept {
  if (with_room_[kind_index] == none && !open_extent(kind_index)) return nullptr;
  return allocate_in(with_room_[kind_index]);
}

Frame* FrameStore::allocate_free(KindIndex kind) noexcept {
  if (free_frames_ == 0) return nullptr;
  std::uint32_t extent = with_room_[kind];
  while (extent != none && (extents_[extent].charged & ~extents_[extent].used) == 0)
    extent = extents_[extent].next;
  return extent == none ? nullptr : allocate_in(extent);
}

Frame* FrameStore::allocate_in(std::uint32_t extent) noexcept {
  Extent& entry = extents_[extent];
  const FrameKind& kind = kinds_[entry.kind];
  const std::uint64_t free = ~entry.used & all_slots(kind);
  // A page that is resident already before one that is not.
  const std::uint64_t warm = free & entry.charged;
  const auto slot = static_cast<std::uint32_t>(std::countr_zero(warm != 0 ? warm : free));
  const std::uint64_t bit = std::uint64_t{1} << slot;
  if (warm != 0) {
    --free_frames_;
    free_bytes_ -= kind.page_bytes;
  } else {
    if (is_page_sized(kind) && !charge(kind.page_bytes)) return nullptr;
    entry.charged |= bit;
  }
  if (entry.used == 0) --idle_extents_;
  entry.used |= bit;
  if (entry.used == all_slots(kind)) unlist(extent);
  ++frames_in_use_;
  return frame(extent << extent_frames_shift | slot);
}

void FrameStore::release(Frame& frame) noexcept {
  const FrameIndex index = index_of(frame);
  const std::uint32_t extent = index >> extent_frames_shift;
  Extent& entry = extents_[extent];
  const FrameKind& kind = kinds_[entry.kind];
  const std::uint64_t bit = std::uint64_t{1} << (index & slot_mask);
  SQLITEMEM_CHECK((entry.used & bit) != 0, index, entry.used);
  frame.owner.store(0, std::memory_order_relaxed);
  entry.used &= ~bit;
  --frames_in_use_;
  ++free_frames_;
  free_bytes_ += kind.page_bytes;
  if (!entry.is_listed) list(extent);
  if (entry.used != 0) return;
  if (++idle_extents_ > max_idle_extents) close_extent(extent);
}

void FrameStore::close_extent(std::uint32_t extent) noexcept {
  Extent& entry = extents_[extent];
  const FrameKind& kind = kinds_[entry.kind];
  trim_extent(extent);
  refund(fixed_bytes(kind));
  unlist(extent);
  --idle_extents_;
  if (entry.is_mapped) {
    pages_->unmap(entry.begin, extent_bytes);
    mapped_bytes_ -= extent_bytes;
    entry = {.next = unmapped_};
    unmapped_ = extent;
  } else {
    // One call for headers (and pages below the operating system's size).
    pages_->decommit(entry.begin + (is_page_sized(kind) ? data_bytes(kind) : 0), fixed_bytes(kind));
    entry = {.begin = entry.begin, .next = closed_};
    closed_ = extent;
  }
}

/// Adjacent pages go in one call.
std::uint64_t FrameStore::trim_extent(std::uint32_t extent) noexcept {
  Extent& entry = extents_[extent];
  const FrameKind& kind = kinds_[entry.kind];
  std::uint64_t idle = entry.charged & ~entry.used;
  const auto count = static_cast<std::uint64_t>(std::popcount(idle));
  free_frames_ -= count;
  free_bytes_ -= count * kind.page_bytes;
  entry.charged &= entry.used;
  if (!is_page_sized(kind)) return 0;
  while (idle != 0) {
    const auto first = static_cast<unsigned>(std::countr_zero(idle));
    const auto length = static_cast<unsigned>(std::countr_one(idle >> first));
    pages_->decommit(address(extent) + std::size_t{first} * kind.page_bytes,
                     std::size_t{length} * kind.page_bytes);
    idle &= length == 64 ? 0 : ~(((std::uint64_t{1} << length) - 1) << first);
  }
  refund(count * kind.page_bytes);
  return count * kind.page_bytes;
}

std::uint64_t FrameStore::trim() noexcept {
  const std::uint64_t before = held_bytes_;
  for (std::uint32_t extent = 0; extent < opened_; ++extent) {
    const Extent& entry = extents_[extent];
    if (!entry.is_open) continue;
    if (entry.used == 0)
      close_extent(extent);
    else if ((entry.charged & ~entry.used) != 0)
      trim_extent(extent);
  }
  return before - held_bytes_;
}

std::uint64_t FrameStore::mapped_resident_bytes(std::uint32_t first,
                                                std::uint32_t count) const noexcept {
  std::uint64_t bytes = 0;
  for (std::uint32_t extent = first; extent < opened_ && extent - first < count; ++extent) {
    const Extent& entry = extents_[extent];
    if (entry.is_mapped) bytes += pages_->resident_bytes(entry.begin, extent_bytes);
  }
  return bytes;
}

void FrameStore::add_to(FillMap& map) const noexcept {
  for (std::uint32_t extent = 0; extent < opened_; ++extent) {
    const Extent& entry = extents_[extent];
    if (!entry.is_open) continue;
    const FrameKind& kind = kinds_[entry.kind];
    const auto used = static_cast<std::uint64_t>(std::popcount(entry.used));
    const auto charged = static_cast<std::uint64_t>(std::popcount(entry.charged));
    map.add(
        std::uint64_t{extent} * extent_bytes, extent_bytes,
        {.used_bytes = used * kind.frame_bytes(),
         .held_bytes = fixed_bytes(kind) + (is_page_sized(kind) ? charged * kind.page_bytes : 0)});
  }
}

std::optional<Violation> FrameStore::find_violation() const noexcept {
  std::uint64_t in_use = 0, free = 0, free_bytes = 0, held = 0, idle = 0, mapped = 0;
  for (std::uint32_t extent = 0; extent < opened_; ++extent) {
    const Extent& entry = extents_[extent];
    const auto where = reinterpret_cast<std::uintptr_t>(address(extent));
    if (!entry.is_open) continue;
    const FrameKind& kind = kinds_[entry.kind];
    const PageLocator locator(kind);
    if ((entry.used & ~entry.charged) != 0)
      return Violation{"a page in use is charged", entry.charged, entry.used, where};
    if ((entry.charged & ~all_slots(kind)) != 0)
      return Violation{"charged pages exist", all_slots(kind), entry.charged, where};
    if (entry.is_listed != (entry.used != all_slots(kind)))
      return Violation{"an extent with room is listed", !entry.is_listed, entry.is_listed, where};
    const auto idle_pages = static_cast<std::uint64_t>(std::popcount(entry.charged & ~entry.used));
    in_use += static_cast<std::uint64_t>(std::popcount(entry.used));
    free += idle_pages;
    free_bytes += idle_pages * kind.page_bytes;
    idle += entry.used == 0;
    held += fixed_bytes(kind);
    mapped += entry.is_mapped ? extent_bytes : 0;
    if (is_page_sized(kind))
      held += static_cast<std::uint64_t>(std::popcount(entry.charged)) * kind.page_bytes;
    for (std::uint32_t slot = 0; slot < kind.frames; ++slot) {
      const FrameIndex index = extent << extent_frames_shift | slot;
      const Frame* header = frame(index);
      if (index_of(*header) != index)
        return Violation{"a header has its frame's number", index, index_of(*header), where};
      if (locator.data_of(header) != header->data)
        return Violation{"data lies where its header's place says",
                         reinterpret_cast<std::uintptr_t>(header->data),
                         reinterpret_cast<std::uintptr_t>(locator.data_of(header)), where};
      if ((entry.used >> slot & 1) == 0 && header->owner.load() != 0)
        return Violation{"a free frame has no cache", 0, index, where};
    }
  }
  if (in_use != frames_in_use_)
    return Violation{"frames in use are counted", in_use, frames_in_use_, 0};
  if (free != free_frames_) return Violation{"free frames are counted", free, free_frames_, 0};
  if (free_bytes != free_bytes_)
    return Violation{"free bytes are counted", free_bytes, free_bytes_, 0};
  if (idle != idle_extents_) return Violation{"idle extents are counted", idle, idle_extents_, 0};
  if (mapped != mapped_bytes_)
    return Violation{"mapped bytes are counted", mapped, mapped_bytes_, 0};
  if (held != held_bytes_) return Violation{"held bytes are counted", held, held_bytes_, 0};
  return std::nullopt;
}

}  // namespace sqlitemem
