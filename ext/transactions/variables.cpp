// The trie of variables: lookup, and a change that leaves what savepoints remember alone.
#include "ext/transactions/variables.h"

#include <cstring>
#include <new>

namespace sqlitemem::ext {
namespace {

constexpr unsigned bits_per_level = 2;

/// FNV-1a, and a mix, because the low bits lead the way.
std::uint64_t hash_of(std::string_view name) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char letter : name) {
    hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001b3;
  }
  return hash ^ (hash >> 29);
}

/// The branch at a depth. Behind the last bit all names of one hash are a list.
std::size_t branch_of(std::uint64_t hash, unsigned depth) noexcept {
  const unsigned shift = depth * bits_per_level;
  return shift < 64 ? (hash >> shift) & 3 : 3;
}

bool has_data(const VariableValue& value) noexcept {
  return value.type == SQLITE_TEXT || value.type == SQLITE_BLOB;
}

}  // namespace

VariableNode* Variables::make_node(std::string_view name, std::uint64_t hash) noexcept {
  void* const block = memory_.allocate(sizeof(VariableNode) + name.size());
  if (block == nullptr) return nullptr;
  char* const text = static_cast<char*>(block) + sizeof(VariableNode);
  std::memcpy(text, name.data(), name.size());
  auto* node = new (block) VariableNode{};
  node->hash = hash;
  node->epoch = memory_.epoch();
  node->name = text;
  node->name_bytes = name.size();
  return node;
}

/// Makes the node behind `link` one that may be changed.
bool Variables::own(VariableNode*& link) noexcept {
  if (memory_.is_newer_than_marks(link->epoch)) return true;
  void* const block = memory_.allocate(sizeof(VariableNode));
  if (block == nullptr) return false;
  auto* copy = new (block) VariableNode(*link);
  copy->epoch = memory_.epoch();
  copy->capacity_bytes = 0;  // The data is older than a savepoint.
  link = copy;
  return true;
}

bool Variables::store(VariableNode& node, const VariableValue& value) noexcept {
  if (!has_data(value)) {
    node.value = value;
    node.capacity_bytes = 0;
    return true;
  }
  const bool fits =
      has_data(node.value) && node.capacity_bytes >= value.data_bytes && node.capacity_bytes > 0;
  const std::size_t capacity = fits ? node.capacity_bytes : value.data_bytes;
  void* const data = fits ? const_cast<void*>(node.value.data) : memory_.allocate(value.data_bytes);
  if (data == nullptr) return false;
  // Not memcpy: the value may be the variable's own.
  if (value.data_bytes > 0) std::memmove(data, value.data, value.data_bytes);
  node.value = value;
  node.value.data = data;
  node.capacity_bytes = capacity;
  return true;
}

bool Variables::set(std::string_view name, const VariableValue& value) noexcept {
  const std::uint64_t hash = hash_of(name);
  VariableNode* new_root = root();
  VariableNode** link = &new_root;
  bool is_stored = true;
  for (unsigned depth = 0; is_stored; ++depth) {
    if (*link == nullptr) {
      VariableNode* const node = make_node(name, hash);
      is_stored = node != nullptr && store(*node, value);
      if (is_stored) *link = node;
      break;
    }
    is_stored = own(*link);
    if (!is_stored) break;
    VariableNode& node = **link;
    if (node.hash == hash && node.name_text() == name) {
      is_stored = store(node, value);
      break;
    }
    link = &node.branches[branch_of(hash, depth)];
  }
  // Also after a failure: copies are what the originals were, with newer ones linked in.
  memory_.set_root(new_root);
  return is_stored;
}

const VariableValue* Variables::get(std::string_view name) const noexcept {
  const std::uint64_t hash = hash_of(name);
  const VariableNode* node = root();
  for (unsigned depth = 0; node != nullptr; ++depth) {
    if (node->hash == hash && node->name_text() == name) return &node->value;
    node = node->branches[branch_of(hash, depth)];
  }
  return nullptr;
}

}  // namespace sqlitemem::ext
