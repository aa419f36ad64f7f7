// Variables of a transaction: names and values in its arena, gone with it, and back with its
// savepoints.
#pragma once

#include <sqlite3ext.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "allocators/arena/transaction_arenas.h"

namespace sqlitemem::ext {

/// Names that begin with it are not SQL's.
inline constexpr char hidden_name_mark = '\0';

/// A value as SQLite's, by type (SQLITE_INTEGER, …); `data` of text (UTF-8) and blobs.
struct VariableValue {
  int type = SQLITE_NULL;
  union {
    std::int64_t integer = 0;
    double real;
    const void* data;
  };
  std::size_t data_bytes = 0;
};

/// A trie of four branches by the bits of the name's hash; each node is a variable. Nodes older
/// than an open savepoint are not changed: the path to them is copied, and the old root comes back
/// with the savepoint. Newer ones are changed in place.
struct VariableNode {
  VariableNode* branches[4];
  std::uint64_t hash;
  std::uint64_t epoch;  ///< When it was made; see TransactionArenaManager::epoch().
  const char* name;
  std::size_t name_bytes;
  VariableValue value;
  std::size_t capacity_bytes;  ///< What `value.data` may be overwritten with; 0: nothing.
  [[nodiscard]] std::string_view name_text() const { return {name, name_bytes}; }
};

/// A view of the arena's root. Requires: the arena is open.
class Variables {
 public:
  explicit Variables(TransactionArenaManager& memory) noexcept : memory_(memory) {}

  /// false: no memory (memory.last_refusal()); the variable is as it was. Amortised O(log n).
  [[nodiscard]] bool set(std::string_view name, const VariableValue& value) noexcept;
  /// nullptr: never set. Valid until the next set().
  [[nodiscard]] const VariableValue* get(std::string_view name) const noexcept;
  /// In no particular order.
  template <class Use>
  void for_each(Use&& use) const {
    visit(root(), use);
  }

 private:
  [[nodiscard]] VariableNode* root() const noexcept {
    return static_cast<VariableNode*>(memory_.root());
  }
  template <class Use>
  static void visit(const VariableNode* node, Use& use) {
    // As deep as the trie: the logarithm, but for names made to have one hash.
    for (; node != nullptr; node = node->branches[3]) {
      use(*node);
      for (int branch = 0; branch < 3; ++branch) visit(node->branches[branch], use);
    }
  }
  [[nodiscard]] VariableNode* make_node(std::string_view name, std::uint64_t hash) noexcept;
  [[nodiscard]] bool own(VariableNode*& link) noexcept;
  [[nodiscard]] bool store(VariableNode& node, const VariableValue& value) noexcept;

  TransactionArenaManager& memory_;
};

}  // namespace sqlitemem::ext
