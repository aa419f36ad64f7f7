// The region: how much address space to reserve, how to split it, and how areas are committed.
#include "allocators/pages/region.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>

#include "allocators/base/check.h"

namespace sqlitemem {
namespace {

constexpr std::size_t region_alignment =
    2 * mib;  // So that a huge page can start at the first byte.

/// Bytes of address space mapped by this process; 0 if /proc is not there. SQLite's xInit may call
/// this, so it uses neither stdio nor the heap.
std::size_t mapped_address_space() noexcept {
  const int file = ::open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  std::array<char, 64> text{};
  const ssize_t length = ::read(file, text.data(), text.size());
  ::close(file);
  std::size_t pages = 0;
  for (ssize_t i = 0; i < length; ++i) {  // The first number is the total size in pages.
    const char digit = text[static_cast<std::size_t>(i)];
    if (digit < '0' || digit > '9') break;
    pages = pages * 10 + static_cast<std::size_t>(digit - '0');
  }
  return pages * page_bytes;
}

}  // namespace

void Area::start(PageSource& pages, std::byte* begin, std::size_t bytes,
                 std::size_t stride) noexcept {
  pages_ = &pages;
  begin_ = frontier_ = committed_ = begin;
  end_ = begin + bytes;
  stride_ = round_up(std::max(stride, page_bytes), page_bytes);
}

std::byte* Area::extend(std::size_t bytes) noexcept {
  SQLITEMEM_CHECK(bytes % page_bytes == 0, bytes, page_bytes);
  if (bytes > bytes_left()) return nullptr;
  const auto ready_bytes = static_cast<std::size_t>(committed_ - frontier_);
  if (bytes > ready_bytes) {
    const std::size_t missing = bytes - ready_bytes;
    const auto reserved = static_cast<std::size_t>(end_ - committed_);
    const std::size_t whole_strides = divide_up(missing, stride_) * stride_;
    const std::size_t generous = std::min(whole_strides, reserved);
    if (pages_->commit(committed_, generous)) {
      committed_ += generous;
    } else if (generous != missing && pages_->commit(committed_, missing)) {
      committed_ += missing;
    } else {
      return nullptr;
    }
  }
  std::byte* const taken = frontier_;
  frontier_ += bytes;
  return taken;
}

bool Region::start(PageSource& pages, std::size_t bytes, std::size_t address_space_left,
                   std::size_t stride) noexcept {
  const bool is_limited = address_space_left != SIZE_MAX;
  const std::size_t most = is_limited ? address_space_left / 2 : SIZE_MAX;
  if (is_limited) bytes = std::min(bytes, address_space_left / 8);
  for (std::size_t wanted = std::max(bytes, min_bytes);; wanted = std::max(wanted / 4, min_bytes)) {
    const std::size_t rounded =
        round_down(wanted, 4 * region_alignment);  // Each quarter stays aligned.
    if (rounded <= most) {
      if (void* const base = pages.reserve(rounded, region_alignment); base != nullptr) {
        pages_ = &pages;
        base_ = static_cast<std::byte*>(base);
        bytes_ = rounded;
        break;
      }
    }
    if (wanted == min_bytes) return false;
  }
  const std::size_t quarter = bytes_ / 4;
  slabs.start(pages, base_, quarter, stride);
  runs.start(pages, base_ + quarter, quarter, stride);
  large.start(pages, base_ + 2 * quarter, 2 * quarter, stride);
  return true;
}

void Region::stop() noexcept {
  if (base_ == nullptr) return;
  pages_->release(base_, bytes_);
  base_ = nullptr;
  bytes_ = 0;
}

std::size_t data_limit() noexcept {
  rlimit limit{};
  const bool is_limited = ::getrlimit(RLIMIT_DATA, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
  return is_limited ? limit.rlim_cur : SIZE_MAX;
}

std::size_t address_space_left() noexcept {
  const int saved_errno = errno;
  rlimit limit{};
  std::size_t left = SIZE_MAX;
  if (::getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    left = static_cast<std::size_t>(at_least_zero(limit.rlim_cur, mapped_address_space()));
  errno = saved_errno;
  return left;
}

}  // namespace sqlitemem
