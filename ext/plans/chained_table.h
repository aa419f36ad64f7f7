// A hash table whose elements carry the links: nothing is allocated to put one in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

namespace sqlitemem::ext::plans {

/// Element has a pointer member `next` for the chain; `hash_of(element)` does not change while it
/// is in. Grows to one bucket per element; without memory to grow, chains get longer.
template <class Element, Element* Element::*next, auto hash_of>
class ChainedTable {
 public:
  /// The first element in the chain of `hash` that `matches`, the last put in first; or nullptr.
  template <class Matches>
  [[nodiscard]] Element* find(std::uint64_t hash, Matches matches) const noexcept {
    if (buckets_.empty()) return nullptr;
    for (Element* element = buckets_[bucket(hash)]; element != nullptr; element = element->*next)
      if (matches(*element)) return element;
    return nullptr;
  }
  /// false: there is no memory for the first buckets, and it was not put in.
  bool insert(Element& element) noexcept {
    if (size_ >= buckets_.size()) grow();
    if (buckets_.empty()) return false;
    Element*& head = buckets_[bucket(hash_of(element))];
    element.*next = head;
    head = &element;
    ++size_;
    return true;
  }
  /// Requires: it is in.
  void erase(Element& element) noexcept {
    Element** link = &buckets_[bucket(hash_of(element))];
    while (*link != &element) link = &((*link)->*next);
    *link = element.*next;
    --size_;
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// Any element, or nullptr.
  [[nodiscard]] Element* any() const noexcept {
    for (Element* head : buckets_)
      if (head != nullptr) return head;
    return nullptr;
  }

 private:
  [[nodiscard]] std::size_t bucket(std::uint64_t hash) const noexcept {
    return static_cast<std::size_t>(hash) & (buckets_.size() - 1);
  }
  void grow() noexcept {
    try {
      std::vector<Element*> larger(buckets_.empty() ? 16 : 2 * buckets_.size(), nullptr);
      buckets_.swap(larger);
      for (Element* element : larger) {
        while (element != nullptr) {
          Element* const following = element->*next;
          Element*& head = buckets_[bucket(hash_of(*element))];
          element->*next = head;
          head = element;
          element = following;
        }
      }
    } catch (const std::bad_alloc&) {  // Longer chains.
    }
  }

  std::vector<Element*> buckets_;
  std::size_t size_ = 0;
};

}  // namespace sqlitemem::ext::plans
