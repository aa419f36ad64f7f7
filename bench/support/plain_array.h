// An array straight from mmap, resident from the start: the harness must not use the allocator it
// measures.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <span>

namespace sqlitemem::bench {

template <class T>
class PlainArray {
 public:
  explicit PlainArray(std::size_t size) : size_(size) {
    void* memory = mmap(nullptr, size * sizeof(T), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) {
      std::perror("benchmark: mmap");
      std::exit(1);
    }
    items_ = static_cast<T*>(memory);
  }
  PlainArray(const PlainArray&) = delete;
  PlainArray& operator=(const PlainArray&) = delete;
  ~PlainArray() { munmap(items_, size_ * sizeof(T)); }

  T& operator[](std::size_t index) { return items_[index]; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::span<T> all() { return {items_, size_}; }
  T* data() { return items_; }

 private:
  T* items_ = nullptr;
  std::size_t size_;
};

}  // namespace sqlitemem::bench
