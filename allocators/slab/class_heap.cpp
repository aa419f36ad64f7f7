// Slabs of one class, fullest first, and the working set of its depot.
#include "allocators/slab/class_heap.h"

#include <algorithm>
#include <bit>

namespace sqlitemem {

void ClassHeap::configure(ClassIndex index, std::size_t object_bytes) noexcept {
  const LockGuard guard(lock);
  index_ = index;
  if (is_slab_class(index)) {
    geometry_ = SlabGeometry::of(object_bytes);
  } else {
    geometry_.object_bytes = static_cast<std::uint32_t>(object_bytes);
  }
  buckets_.fill(no_chunk);
  object_bytes_.store(static_cast<std::uint32_t>(object_bytes), std::memory_order_release);
}

void ClassHeap::add_out(const Backing& backing, std::int64_t objects) noexcept {
  objects_out_ += static_cast<std::uint64_t>(objects);
  backing.out_bytes->fetch_add(objects * static_cast<std::int64_t>(geometry_.object_bytes),
                               std::memory_order_relaxed);
}

void ClassHeap::add_depot(const Backing& backing, std::int64_t objects) noexcept {
  full_objects_ += static_cast<std::uint64_t>(objects);
  backing.out_bytes->fetch_sub(objects * static_cast<std::int64_t>(geometry_.object_bytes),
                               std::memory_order_relaxed);
}

// Bucket 0 holds the fullest slabs. Taking from them first lets the others run empty.
std::uint8_t ClassHeap::bucket_for(const Slab& slab) const noexcept {
  const std::uint32_t available = slab.available(geometry_);
  return static_cast<std::uint8_t>((available - 1) * bucket_count / geometry_.capacity);
}

void ClassHeap::list(const Backing& backing, std::uint32_t chunk) noexcept {
  Slab& slab = backing.chunks->slab(chunk);
  slab.bucket = bucket_for(slab);
  slab.prev = no_chunk;
  slab.next = buckets_[slab.bucket];
  if (slab.next != no_chunk) backing.chunks->slab(slab.next).prev = chunk;
  buckets_[slab.bucket] = chunk;
  slab.is_listed = true;
}

void ClassHeap::unlist(const Backing& backing, std::uint32_t chunk) noexcept {
  Slab& slab = backing.chunks->slab(chunk);
  (slab.prev == no_chunk ? buckets_[slab.bucket] : backing.chunks->slab(slab.prev).next) =
      slab.next;
  if (slab.next != no_chunk) backing.chunks->slab(slab.next).prev = slab.prev;
  slab.is_listed = false;
}

void ClassHeap::relist(const Backing& backing, std::uint32_t chunk) noexcept {
  const Slab& slab = backing.chunks->slab(chunk);
  const bool has_room = slab.available(geometry_) != 0;
  if (slab.is_listed && has_room && slab.bucket == bucket_for(slab)) return;
  if (slab.is_listed) unlist(backing, chunk);
  if (has_room) list(backing, chunk);
}

std::uint32_t ClassHeap::fullest(const Backing&) const noexcept {
  for (const std::uint32_t head : buckets_) {
    if (head != no_chunk) return head;
  }
  return no_chunk;
}

std::uint32_t ClassHeap::add_slab(const Backing& backing) noexcept {
  std::uint64_t* bitmap = nullptr;
  if (geometry_.bitmap_words > 1) {
    bitmap = static_cast<std::uint64_t*>(backing.metadata->allocate(geometry_.bitmap_bytes()));
    if (bitmap == nullptr) return no_chunk;
  }
  const std::uint32_t chunk = backing.chunks->take(index_);
  if (chunk == no_chunk) {
    if (bitmap != nullptr) backing.metadata->release(bitmap, geometry_.bitmap_bytes());
    return no_chunk;
  }
  Slab& slab = backing.chunks->slab(chunk);
  slab.free_bits = bitmap != nullptr ? bitmap : &slab.inline_bits;
  slab.colour_bytes = static_cast<std::uint16_t>(next_colour_ * 64);
  next_colour_ = (next_colour_ + 1) % geometry_.colours;
  ++slab_count_;
  list(backing, chunk);
  return chunk;
}

void ClassHeap::drop_slab(const Backing& backing, std::uint32_t chunk) noexcept {
  Slab& slab = backing.chunks->slab(chunk);
  if (slab.is_listed) unlist(backing, chunk);
  if (geometry_.bitmap_words > 1)
    backing.metadata->release(slab.free_bits, geometry_.bitmap_bytes());
  --slab_count_;
  backing.chunks->give(chunk);
}

std::size_t ClassHeap::take_from_slab(const Backing& backing, std::uint32_t chunk, void** out,
                                      std::size_t count) noexcept {
  Slab& slab = backing.chunks->slab(chunk);
  std::byte* base = backing.chunks->address_of(chunk);
  const std::size_t wanted = std::min<std::size_t>(count, slab.available(geometry_));
  std::size_t taken = 0;
  while (taken < wanted) {
    const std::uint32_t index = slab.take(geometry_);
    const auto fresh =
        static_cast<std::uint16_t>(slab.pages_of(index, geometry_) & ~slab.charged_pages);
    if (fresh != 0) {
      if (!backing.budget->charge(static_cast<std::uint64_t>(std::popcount(fresh)) * page_bytes)) {
        SQLITEMEM_CHECK(slab.give(index), index, slab.carved);
        break;
      }
      slab.charged_pages |= fresh;
    }
    out[taken++] = base + slab.offset_of(index, geometry_);
  }
  if (slab.used(geometry_) == 0) {
    drop_slab(backing, chunk);  // The budget refused its first page.
  } else {
    relist(backing, chunk);
  }
  return taken;
}

std::size_t ClassHeap::take_runs(const Backing& backing, void** out, std::size_t count) noexcept {
  std::size_t taken = 0;
  while (taken < count) {
    void* run = backing.runs->allocate(geometry_.object_bytes / run_granule_bytes);
    if (run == nullptr) break;
    out[taken++] = run;
  }
  return taken;
}

std::size_t ClassHeap::take_objects(const Backing& backing, void** out, std::size_t count,
                                    std::size_t& new_slabs) noexcept {
  std::size_t taken = 0;
  if (is_run_class(index_)) {
    taken = take_runs(backing, out, count);
  } else {
    while (taken < count) {
      std::uint32_t chunk = fullest(backing);
      if (chunk == no_chunk) {
        if (taken != 0) break;  // What there is will do: do not take pages for a cache.
        chunk = add_slab(backing);
        if (chunk == no_chunk) break;
        ++new_slabs;
      }
      const std::size_t got = take_from_slab(backing, chunk, out + taken, count - taken);
      if (got == 0) break;
      taken += got;
    }
  }
  std::reverse(out, out + taken);
  add_out(backing, static_cast<std::int64_t>(taken));
  return taken;
}

bool ClassHeap::return_to_slab(const Backing& backing, void* object, BadBlocks& bad) noexcept {
  const std::uint32_t chunk = backing.chunks->chunk_of(object);
  Slab& slab = backing.chunks->slab(chunk);
  const auto offset =
      static_cast<std::size_t>(static_cast<std::byte*>(object) - backing.chunks->address_of(chunk));
  const auto refuse = [&](BadBlock::Kind kind, const char* rule) {
    return bad.add({kind, object, rule}), false;
  };
  if (slab.class_index != index_)
    return refuse(BadBlock::Kind::double_free, "the slab of a freed block is there");
  const auto index = slab.index_of(offset, geometry_);
  if (!index) return refuse(BadBlock::Kind::interior, "a freed pointer is the start of an object");
  if (!slab.give(*index))
    return refuse(BadBlock::Kind::double_free, "a freed block was handed out");
  if (slab.used(geometry_) == 0) {
    drop_slab(backing, chunk);
  } else {
    relist(backing, chunk);
  }
  return true;
}

bool ClassHeap::return_run(const Backing& backing, void* object, BadBlocks& bad) noexcept {
  if (backing.runs->granules_of(object) * run_granule_bytes != geometry_.object_bytes ||
      backing.runs->release(object) != RunHeap::ReleaseResult::ok) {
    bad.add({BadBlock::Kind::double_free, object, "a freed run was handed out"});
    return false;
  }
  return true;
}

void ClassHeap::return_objects(const Backing& backing, void* const* objects, std::size_t count,
                               BadBlocks& bad) noexcept {
  std::int64_t returned = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const bool ok = is_run_class(index_) ? return_run(backing, objects[i], bad)
                                         : return_to_slab(backing, objects[i], bad);
    returned += ok ? 1 : 0;
  }
  add_out(backing, -returned);
}

Magazine* ClassHeap::pop_full(const Backing& backing) noexcept {
  Magazine* magazine = full_;
  if (magazine == nullptr) return nullptr;
  full_ = magazine->next;
  add_depot(backing, -std::int64_t{magazine->count});
  full_min_ = std::min(full_min_, --full_count_);
  ++exchanges, ++exchanges_since_reap_;
  return magazine;
}

void ClassHeap::push_full(const Backing& backing, Magazine* magazine) noexcept {
  magazine->next = full_;
  full_ = magazine;
  add_depot(backing, magazine->count);
  ++full_count_;
  ++exchanges, ++exchanges_since_reap_;
}

Magazine* ClassHeap::take_empty(const Backing& backing, std::size_t capacity) noexcept {
  while (empty_ != nullptr) {
    Magazine* magazine = empty_;
    empty_ = magazine->next;
    if (magazine->capacity >= capacity) return magazine;
    backing.metadata->release(magazine, Magazine::bytes_for(magazine->capacity));
  }
  auto* magazine =
      static_cast<Magazine*>(backing.metadata->allocate(Magazine::bytes_for(capacity)));
  if (magazine != nullptr) magazine->capacity = static_cast<std::uint32_t>(capacity);
  return magazine;
}

void ClassHeap::give_empty(const Backing&, Magazine* magazine) noexcept {
  magazine->count = 0;
  magazine->next = empty_;
  empty_ = magazine;
}

std::size_t ClassHeap::reap(const Backing& backing, bool all, BadBlocks& bad) noexcept {
  const std::uint32_t surplus = all ? full_count_ : full_min_;
  const std::uint64_t before = objects_out_;
  Magazine** link = &full_;  // The working set is at the head; what nobody reached is behind it.
  for (std::uint32_t kept = full_count_ - surplus; kept > 0; --kept) link = &(*link)->next;
  Magazine* cold = *link;
  *link = nullptr;
  full_count_ -= surplus;
  while (cold != nullptr) {
    Magazine* magazine = cold;
    cold = magazine->next;
    add_depot(backing, -std::int64_t{magazine->count});
    std::sort(magazine->objects(),
              magazine->objects() + magazine->count);  // One slab after the other.
    return_objects(backing, magazine->objects(), magazine->count, bad);
    backing.metadata->release(magazine, Magazine::bytes_for(magazine->capacity));
  }
  while (all && empty_ != nullptr) {
    Magazine* magazine = empty_;
    empty_ = magazine->next;
    backing.metadata->release(magazine, Magazine::bytes_for(magazine->capacity));
  }
  full_min_ = full_count_;
  exchanges_since_reap_ = 0;
  return (before - objects_out_) * geometry_.object_bytes;
}

std::size_t ClassHeap::purge_slabs(const Backing& backing) noexcept {
  if (!is_slab_class(index_)) return 0;
  std::size_t freed = 0;
  for (const std::uint32_t head : buckets_) {
    for (std::uint32_t chunk = head; chunk != no_chunk; chunk = backing.chunks->slab(chunk).next) {
      const Slab& slab = backing.chunks->slab(chunk);
      freed += backing.chunks->purge_pages(chunk, slab.idle_pages(geometry_));
    }
  }
  return freed;
}

bool ClassHeap::is_out(const Backing& backing, const void* object) const noexcept {
  if (is_run_class(index_))
    return backing.runs->granules_of(object) * run_granule_bytes == geometry_.object_bytes;
  const std::uint32_t chunk = backing.chunks->chunk_of(object);
  const Slab& slab = backing.chunks->slab(chunk);
  if (slab.class_index != index_) return false;
  const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(object) -
                                               backing.chunks->address_of(chunk));
  const auto index = slab.index_of(offset, geometry_);
  return index && !slab.is_free(*index);
}

std::optional<Violation> ClassHeap::find_violation(const Backing& backing) const noexcept {
  std::uint64_t in_magazines = 0, magazines = 0;
  for (Magazine* magazine = full_; magazine != nullptr; magazine = magazine->next) {
    in_magazines += magazine->count, ++magazines;
    if (magazine->count > magazine->capacity)
      return Violation{"depot: a magazine holds at most its capacity", magazine->capacity,
                       magazine->count};
  }
  if (magazines != full_count_)
    return Violation{"depot: full_count == full magazines", magazines, full_count_};
  if (in_magazines != full_objects_)
    return Violation{"depot: full_objects == objects in full magazines", in_magazines,
                     full_objects_};
  if (objects_out_ < full_objects_)
    return Violation{"class: objects in the depot are out of their slabs", objects_out_,
                     full_objects_};
  if (!is_slab_class(index_)) return std::nullopt;

  std::uint64_t listed = 0, used = 0;
  for (std::size_t bucket = 0; bucket < bucket_count; ++bucket) {
    std::uint32_t previous = no_chunk;
    for (std::uint32_t chunk = buckets_[bucket]; chunk != no_chunk;
         chunk = backing.chunks->slab(chunk).next) {
      const Slab& slab = backing.chunks->slab(chunk);
      const auto address = reinterpret_cast<std::uintptr_t>(backing.chunks->address_of(chunk));
      if (slab.class_index != index_)
        return Violation{"class: a listed slab is of this class", index_, slab.class_index,
                         address};
      if (slab.prev != previous)
        return Violation{"class: the list of slabs is doubly linked", previous, slab.prev, address};
      if (slab.bucket != bucket || bucket_for(slab) != bucket)
        return Violation{"class: a slab is in the bucket of its fill", bucket_for(slab), bucket,
                         address};
      if (slab.used(geometry_) == 0)
        return Violation{"class: an empty slab is given back", 1, 0, address};
      if (auto broken = slab.find_violation(geometry_)) {
        broken->address = address;
        return broken;
      }
      used += slab.used(geometry_);
      previous = chunk;
      if (++listed > slab_count_)
        return Violation{"class: the list of slabs has no cycle", slab_count_, listed, address};
    }
  }
  const std::uint64_t expected =
      used + (slab_count_ - listed) * geometry_.capacity;  // The others are full.
  if (expected != objects_out_)
    return Violation{"class: objects_out == objects used in its slabs", expected, objects_out_};
  return std::nullopt;
}

}  // namespace sqlitemem
