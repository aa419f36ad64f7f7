// The operating system's pages on Linux: the one place that calls mmap, mprotect, madvise and
// mremap.
#include "allocators/pages/page_source.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>

#include "allocators/base/bytes.h"
#include "allocators/base/check.h"

namespace sqlitemem {
namespace {

// Older C library headers lack these; the values are the kernel's.
constexpr int remap_dont_unmap = 4;             // MREMAP_DONTUNMAP, Linux 5.7.
constexpr int map_fixed_no_replace = 0x100000;  // MAP_FIXED_NOREPLACE, Linux 4.17.
constexpr int private_anonymous = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

/// An allocator must look innocent: free() may not change errno, and malloc() sets it only on
/// failure.
class ErrnoKeeper {
 public:
  ErrnoKeeper() noexcept : saved_(errno) {}
  ~ErrnoKeeper() { errno = saved_; }
  ErrnoKeeper(const ErrnoKeeper&) = delete;
  ErrnoKeeper& operator=(const ErrnoKeeper&) = delete;

 private:
  int saved_;
};

bool remap(void* from, void* to, std::size_t bytes) noexcept {
  return ::mremap(from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED | remap_dont_unmap, to) == to;
}

/// Moves a page between two scratch pages, because a kernel that cannot do it must not be tried on
/// real ones: MREMAP_FIXED unmaps the target before some of its checks.
bool kernel_moves_pages() noexcept {
  void* scratch = ::mmap(nullptr, 2 * page_bytes, PROT_READ | PROT_WRITE, private_anonymous, -1, 0);
  if (scratch == MAP_FAILED) return false;
  auto* const from = static_cast<unsigned char*>(scratch);
  auto* const to = from + page_bytes;
  *from = 1;
  const bool moved = remap(from, to, page_bytes) && *to == 1 && *from == 0;
  ::munmap(scratch, 2 * page_bytes);
  return moved;
}

class OsPages final : public PageSource {
 public:
  void* reserve(std::size_t bytes, std::size_t alignment) noexcept override;
  void release(void* address, std::size_t bytes) noexcept override;
  bool commit(void* address, std::size_t bytes) noexcept override;
  bool decommit(void* address, std::size_t bytes) noexcept override;
  bool move(void* from, void* to, std::size_t bytes) noexcept override;
  void unmap(void* address, std::size_t bytes) noexcept override;
  bool advise_huge(void* address, std::size_t bytes) noexcept override;
  std::size_t resident_bytes(const void* address, std::size_t bytes) noexcept override;

 private:
  enum class Moving : std::uint8_t { unknown, possible, impossible };
  [[nodiscard]] bool can_move() noexcept;
  static void* reserve_exactly(std::size_t bytes, std::size_t alignment) noexcept;

  std::atomic<Moving> moving_{Moving::unknown};
};

constinit std::atomic<std::uint64_t> reserved_total{0}, committed_total{0};

/// Without room to choose from: mappings are placed next to each other, so that it may be aligned.
void* OsPages::reserve_exactly(std::size_t bytes, std::size_t alignment) noexcept {
  void* const mapped = ::mmap(nullptr, bytes, PROT_NONE, private_anonymous, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  if (reinterpret_cast<std::uintptr_t>(mapped) % alignment == 0) {
    reserved_total.fetch_add(bytes, std::memory_order_relaxed);
    return mapped;
  }
  ::munmap(mapped, bytes);
  return nullptr;
}

void* OsPages::reserve(std::size_t bytes, std::size_t alignment) noexcept {
  const ErrnoKeeper keep_errno;
  const std::size_t slack = alignment > page_bytes ? alignment - page_bytes : 0;
  if (bytes == 0 || bytes > SIZE_MAX - slack) return nullptr;
  void* const mapped = ::mmap(nullptr, bytes + slack, PROT_NONE, private_anonymous, -1, 0);
  if (mapped == MAP_FAILED) return reserve_exactly(bytes, alignment);
  const auto start = reinterpret_cast<std::uintptr_t>(mapped);
  const std::size_t head = slack == 0 ? 0 : round_up(start, alignment) - start;
  auto* const aligned = static_cast<std::byte*>(mapped) + head;
  if (head != 0) ::munmap(mapped, head);
  if (slack != head) ::munmap(aligned + bytes, slack - head);
  reserved_total.fetch_add(bytes, std::memory_order_relaxed);
  return aligned;
}

void OsPages::release(void* address, std::size_t bytes) noexcept {
  const ErrnoKeeper keep_errno;
  ::munmap(address, bytes);
  reserved_total.fetch_sub(bytes, std::memory_order_relaxed);
}

bool OsPages::commit(void* address, std::size_t bytes) noexcept {
  const ErrnoKeeper keep_errno;
  if (::mprotect(address, bytes, PROT_READ | PROT_WRITE) != 0) return false;
  committed_total.fetch_add(bytes, std::memory_order_relaxed);
  return true;
}

bool OsPages::decommit(void* address, std::size_t bytes) noexcept {
  const ErrnoKeeper keep_errno;
  return ::madvise(address, bytes, MADV_DONTNEED) == 0;  // Refused on locked memory.
}

bool OsPages::can_move() noexcept {
  Moving answer = moving_.load(std::memory_order_relaxed);
  if (answer == Moving::unknown) {
    answer = kernel_moves_pages() ? Moving::possible : Moving::impossible;
    moving_.store(answer, std::memory_order_relaxed);  // Two threads may both probe; they agree.
  }
  return answer == Moving::possible;
}

bool OsPages::move(void* from, void* to, std::size_t bytes) noexcept {
  const ErrnoKeeper keep_errno;
  if (!can_move()) return false;
  if (remap(from, to, bytes)) return true;
  // The kernel may have unmapped the target before it refused (`from` spans two mappings, say). Put
  // fresh pages there; if the target is still mapped, this fails with EEXIST and nothing was lost.
  const void* const repaired =
      ::mmap(to, bytes, PROT_READ | PROT_WRITE, private_anonymous | map_fixed_no_replace, -1, 0);
  const int repair_error = repaired == MAP_FAILED ? errno : 0;
  SQLITEMEM_CHECK(repaired == to || repair_error == EEXIST, bytes, repair_error);
  return false;
}

void OsPages::unmap(void* address, std::size_t bytes) noexcept {
  release(address, bytes);
  committed_total.fetch_sub(bytes, std::memory_order_relaxed);
}

bool OsPages::advise_huge(void* address, std::size_t bytes) noexcept {
  const ErrnoKeeper keep_errno;
  return ::madvise(address, bytes, MADV_HUGEPAGE) == 0;
}

std::size_t OsPages::resident_bytes(const void* address, std::size_t bytes) noexcept {
  const ErrnoKeeper keep_errno;
  std::array<unsigned char, 4096>
      states;  // 16 MiB per call; on the stack, since the heap is what is asked about.
  // mincore() takes a pointer to non-const although it changes nothing.
  auto* at = const_cast<std::byte*>(static_cast<const std::byte*>(address));
  std::size_t resident_pages = 0;
  for (std::size_t left = bytes / page_bytes; left != 0;) {
    const std::size_t pages = std::min(left, states.size());
    if (::mincore(at, pages * page_bytes, states.data()) == 0) {
      resident_pages += static_cast<std::size_t>(
          std::count_if(states.begin(), states.begin() + pages,
                        [](unsigned char state) { return (state & 1) != 0; }));
    }
    at += pages * page_bytes;
    left -= pages;
  }
  return resident_pages * page_bytes;
}

constinit OsPages the_os_pages;  // Constant-initialised: usable before any constructor has run.

}  // namespace

PageSource& os_pages() noexcept { return the_os_pages; }

AddressSpace os_address_space() noexcept {
  return {reserved_total.load(std::memory_order_relaxed),
          committed_total.load(std::memory_order_relaxed)};
}

}  // namespace sqlitemem
