// Bookkeeping memory: power-of-two blocks cut from chunks, recycled through free lists, never
// returned.
#include "allocators/pages/metadata_heap.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "allocators/base/bytes.h"

namespace sqlitemem {
namespace {

constexpr std::size_t chunk_header_bytes = 64;  // Keeps the first block 64-byte aligned.

constexpr std::size_t class_of(std::size_t bytes) {
  return bytes <= MetadataHeap::min_block_bytes ? 0
                                                : static_cast<std::size_t>(std::bit_width(
                                                      (bytes - 1) / MetadataHeap::min_block_bytes));
}
static_assert(class_of(1) == 0 && class_of(64) == 0 && class_of(65) == 1);
static_assert(class_of(128) == 1 && class_of(129) == 2);
static_assert(class_of(MetadataHeap::max_block_bytes) == 10, "one free list per class");

constexpr std::size_t class_bytes(std::size_t size_class) {
  return MetadataHeap::min_block_bytes << size_class;
}

}  // namespace

void MetadataHeap::start(PageSource& pages, std::size_t bytes_per_chunk) noexcept {
  static_assert(sizeof(Chunk) <= chunk_header_bytes);
  const LockGuard guard(lock_);
  pages_ = &pages;
  // A chunk must hold its header and one block of the largest class.
  chunk_bytes_ = std::max(round_up(bytes_per_chunk, page_bytes), max_block_bytes + page_bytes);
}

void MetadataHeap::stop() noexcept {
  const LockGuard guard(lock_);
  while (chunks_ != nullptr) {
    Chunk* const chunk = chunks_;
    chunks_ = chunk->next;
    pages_->release(chunk, chunk->bytes);
  }
  bump_ = bump_end_ = nullptr;
  free_.fill(nullptr);
  mapped_bytes_ = used_bytes_ = 0;
}

bool MetadataHeap::take_chunk() noexcept {
  void* const address = pages_->reserve(chunk_bytes_, page_bytes);
  if (address == nullptr) return false;
  if (!pages_->commit(address, chunk_bytes_)) {
    pages_->release(address, chunk_bytes_);
    return false;
  }
  // What is left of the old chunk becomes blocks, largest first, so that nothing is lost.
  for (std::size_t size_class = class_count; size_class-- > 0;) {
    while (static_cast<std::size_t>(bump_end_ - bump_) >= class_bytes(size_class)) {
      free_[size_class] = new (bump_) FreeBlock{free_[size_class]};
      bump_ += class_bytes(size_class);
    }
  }
  chunks_ = new (address) Chunk{chunks_, chunk_bytes_};
  bump_ = static_cast<std::byte*>(address) + chunk_header_bytes;
  bump_end_ = static_cast<std::byte*>(address) + chunk_bytes_;
  mapped_bytes_ += chunk_bytes_;
  return true;
}

void* MetadataHeap::allocate(std::size_t bytes) noexcept {
  SQLITEMEM_CHECK(bytes <= max_block_bytes, bytes, max_block_bytes);
  const std::size_t size_class = class_of(bytes);
  const std::size_t block_bytes = class_bytes(size_class);
  const LockGuard guard(lock_);
  SQLITEMEM_CHECK(pages_ != nullptr, bytes, 0);
  if (FreeBlock* const block = free_[size_class]; block != nullptr) {
    free_[size_class] = block->next;
    used_bytes_ += block_bytes;
    return std::memset(static_cast<void*>(block), 0, block_bytes);
  }
  if (static_cast<std::size_t>(bump_end_ - bump_) < block_bytes && !take_chunk()) return nullptr;
  std::byte* const block = bump_;
  bump_ += block_bytes;
  used_bytes_ += block_bytes;
  return block;  // Never used before: the operating system's pages read as zero.
}

void MetadataHeap::release(void* block, std::size_t bytes) noexcept {
  if (block == nullptr) return;
  const std::size_t size_class = class_of(bytes);
  const LockGuard guard(lock_);
  SQLITEMEM_CHECK(used_bytes_ >= class_bytes(size_class), used_bytes_, class_bytes(size_class));
  used_bytes_ -= class_bytes(size_class);
  free_[size_class] = new (block) FreeBlock{free_[size_class]};
}

std::uint64_t MetadataHeap::mapped_bytes() const noexcept {
  const LockGuard guard(lock_);
  return mapped_bytes_;
}

std::uint64_t MetadataHeap::used_bytes() const noexcept {
  const LockGuard guard(lock_);
  return used_bytes_;
}

std::uint64_t MetadataHeap::resident_bytes() noexcept {
  const LockGuard guard(lock_);
  std::uint64_t bytes = 0;
  for (const Chunk* chunk = chunks_; chunk != nullptr; chunk = chunk->next)
    bytes += pages_->resident_bytes(chunk, chunk->bytes);
  return bytes;
}

}  // namespace sqlitemem
