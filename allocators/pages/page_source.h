// The only mmap, mprotect, madvise and mremap of the project. Tests replace it by one that fails on
// demand.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sqlitemem {

/// Address space and pages. All sizes and addresses are multiples of page_bytes. Thread-safe.
/// Nothing throws.
class PageSource {
 public:
  /// Address space without memory behind it, aligned to `alignment` (a power of two). nullptr: not
  /// to be had.
  [[nodiscard]] virtual void* reserve(std::size_t bytes, std::size_t alignment) noexcept = 0;
  /// Gives up what reserve() gave.
  virtual void release(void* address, std::size_t bytes) noexcept = 0;
  /// Makes reserved pages usable; they read as zero at first. false: the OS refuses (RLIMIT_DATA,
  /// overcommit).
  [[nodiscard]] virtual bool commit(void* address, std::size_t bytes) noexcept = 0;
  /// Returns the memory behind committed pages. They stay usable and read as zero. false: nothing
  /// was returned.
  virtual bool decommit(void* address, std::size_t bytes) noexcept = 0;
  /// Moves the pages at `from` to the committed address `to`; `from` stays usable and reads as
  /// zero. false: not possible here, nothing was changed; the caller copies.
  [[nodiscard]] virtual bool move(void* from, void* to, std::size_t bytes) noexcept = 0;
  /// Address space and pages at once, for what is to go back with unmap(). nullptr: refused.
  [[nodiscard]] void* map(std::size_t bytes, std::size_t alignment) noexcept {
    void* const address = reserve(bytes, alignment);
    if (address == nullptr || commit(address, bytes)) return address;
    release(address, bytes);
    return nullptr;
  }
  /// Gives up what map() gave.
  virtual void unmap(void* address, std::size_t bytes) noexcept = 0;
  /// Asks for transparent huge pages. false: not supported.
  virtual bool advise_huge(void* address, std::size_t bytes) noexcept = 0;
  /// Bytes of [address, address + bytes) that are resident now. Exact for private memory; costs ~3
  /// ns a page.
  [[nodiscard]] virtual std::size_t resident_bytes(const void* address,
                                                   std::size_t bytes) noexcept = 0;

 protected:
  ~PageSource() = default;
};

/// The operating system's pages.
PageSource& os_pages() noexcept;

/// What os_pages() has given out and not taken back, in bytes. Each page is committed once.
struct AddressSpace {
  std::uint64_t reserved_bytes = 0;
  std::uint64_t committed_bytes = 0;  ///< Of these, usable: what counts against RLIMIT_DATA.
};
AddressSpace os_address_space() noexcept;

}  // namespace sqlitemem
