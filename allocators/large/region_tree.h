// An ordered tree whose links live in its nodes: O(log n) expected, no allocation, nothing throws.
#pragma once

#include <cstdint>

namespace sqlitemem {

template <class Node>
struct TreeLinks {
  Node* left = nullptr;
  Node* right = nullptr;
};

/// A treap: a search tree by key, a heap by a priority hashed from the node's address, hence
/// balanced whatever the order of insertion (C. Aragon and R. Seidel, "Randomized Search Trees",
/// 1989).
///
/// Order gives `links(node)`, `before(a, b)` (strict and total), and `refresh(node)`, which
/// recomputes what a node knows about its subtree. A node's key may not change while it is in the
/// tree.
template <class Node, class Order>
class RegionTree {
 public:
  void insert(Node& node) noexcept {
    Order::links(node) = {};
    Order::refresh(node);
    root_ = inserted(root_, node);
  }
  void erase(Node& node) noexcept { root_ = erased(root_, node); }
  void forget_all() noexcept { root_ = nullptr; }

  [[nodiscard]] Node* root() const noexcept { return root_; }
  [[nodiscard]] Node* last() const noexcept {
    Node* node = root_;
    while (node != nullptr && Order::links(*node).right != nullptr)
      node = Order::links(*node).right;
    return node;
  }
  /// Calls `visit(node)` in order for each node that is not `below(node)`, until it returns true.
  /// `below` holds for a prefix of the order. O(log n + visited).
  template <class Below, class Visit>
  bool visit_from(Below below, Visit visit) const noexcept {
    return visited(root_, below, visit);
  }

 private:
  // Fibonacci hashing of the address spreads neighbours far apart.
  static std::uint64_t priority(const Node& node) noexcept {
    return (reinterpret_cast<std::uintptr_t>(&node) >> 6) * 0x9E3779B97F4A7C15u;
  }
  static Node*& left(Node& node) noexcept { return Order::links(node).left; }
  static Node*& right(Node& node) noexcept { return Order::links(node).right; }

  static void split(Node* root, const Node& key, Node*& low, Node*& high) noexcept {
    if (root == nullptr) {
      low = high = nullptr;
    } else if (Order::before(*root, key)) {
      split(right(*root), key, right(*root), high);
      low = root;
      Order::refresh(*root);
    } else {
      split(left(*root), key, low, left(*root));
      high = root;
      Order::refresh(*root);
    }
  }
  static Node* merged(Node* low, Node* high) noexcept {
    if (low == nullptr) return high;
    if (high == nullptr) return low;
    Node* const top = priority(*low) > priority(*high) ? low : high;
    if (top == low) {
      right(*low) = merged(right(*low), high);
    } else {
      left(*high) = merged(low, left(*high));
    }
    Order::refresh(*top);
    return top;
  }
  static Node* inserted(Node* root, Node& node) noexcept {
    if (root == nullptr) return &node;
    if (priority(node) > priority(*root)) {
      split(root, node, left(node), right(node));
      Order::refresh(node);
      return &node;
    }
    Node*& side = Order::before(node, *root) ? left(*root) : right(*root);
    side = inserted(side, node);
    Order::refresh(*root);
    return root;
  }
  static Node* erased(Node* root, Node& node) noexcept {
    if (root == nullptr) return nullptr;
    if (root == &node) return merged(left(node), right(node));
    Node*& side = Order::before(node, *root) ? left(*root) : right(*root);
    side = erased(side, node);
    Order::refresh(*root);
    return root;
  }
  template <class Below, class Visit>
  static bool visited(Node* node, Below below, Visit& visit) noexcept {
    if (node == nullptr) return false;
    if (!below(*node) && (visited(left(*node), below, visit) || visit(*node))) return true;
    return visited(right(*node), below, visit);
  }

  Node* root_ = nullptr;
};

}  // namespace sqlitemem
