// Transactions' memory and pointers for programs: the arena of the connection, or words why not.
#include "ext/transactions/transaction_api.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string>
#include <string_view>

#include "ext/transactions/connection_arena.h"
#include "ext/transactions/variables.h"
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext {
namespace {

constexpr const char* not_registered = "sqlitemem is not registered on this connection";

/// Where the words of a failure go.
struct Message {
  char* text;
  std::size_t bytes;
  void set(std::string_view words) const noexcept {
    const std::size_t length = std::min(words.size(), bytes - 1);
    std::copy_n(words.data(), length, text);
    text[length] = '\0';
  }
};

/// Runs `work(arena, reason)`, which returns a code, for a registered connection.
template <class Work>
int with_arena(sqlite3* db, const Message& message, Work&& work) noexcept {
  ConnectionArena* const arena = find_connection_arena(db);
  if (arena == nullptr) {
    message.set(not_registered);
    return SQLITE_MISUSE;
  }
  try {
    std::string reason;
    const int rc = work(*arena, reason);
    if (rc != SQLITE_OK) message.set(reason);
    return rc;
  } catch (...) {
    message.set("out of memory");
    return SQLITE_NOMEM;
  }
}

/// Under which a key's pointer is kept among the variables: no name that SQL can give.
class PointerName {
 public:
  explicit PointerName(const void* key) noexcept {
    text_[0] = hidden_name_mark;
    std::memcpy(text_.data() + 1, &key, sizeof key);
  }
  [[nodiscard]] std::string_view view() const noexcept { return {text_.data(), text_.size()}; }

 private:
  std::array<char, 1 + sizeof(void*)> text_{};
};

}  // namespace

bool serves_transactions_of(sqlite3* db) noexcept { return find_connection_arena(db) != nullptr; }

void* allocate_in_transaction(sqlite3* db, std::uint64_t bytes, char* message,
                              std::size_t message_bytes) noexcept {
  ConnectionArena* const known = find_connection_arena(db);
  if (known != nullptr && known->is_open()) {
    if (void* const block = known->memory().allocate(bytes)) return block;
  }
  void* block = nullptr;
  with_arena(db, {message, message_bytes}, [&](ConnectionArena& arena, std::string& reason) {
    int rc = SQLITE_OK;
    block = arena.allocate(bytes, rc, reason);
    return rc;
  });
  return block;
}

int expect_in_transaction(sqlite3* db, std::uint64_t bytes) noexcept {
  ConnectionArena* const arena = find_connection_arena(db);
  if (arena == nullptr) return SQLITE_MISUSE;
  arena->memory().expect(bytes);
  return SQLITE_OK;
}

void* transaction_pointer(sqlite3* db, const void* key) noexcept {
  ConnectionArena* const arena = find_connection_arena(db);
  if (arena == nullptr || !arena->is_open()) return nullptr;
  const VariableValue* const value = Variables(arena->memory()).get(PointerName(key).view());
  return value == nullptr ? nullptr : std::bit_cast<void*>(value->integer);
}

int set_transaction_pointer(sqlite3* db, const void* key, void* pointer, char* message,
                            std::size_t message_bytes) noexcept {
  return with_arena(db, {message, message_bytes}, [&](ConnectionArena& arena, std::string& reason) {
    if (const int rc = arena.open(reason); rc != SQLITE_OK) return rc;
    VariableValue value;
    value.type = SQLITE_INTEGER;
    value.integer = reinterpret_cast<std::intptr_t>(pointer);
    const bool is_set = Variables(arena.memory()).set(PointerName(key).view(), value);
    return is_set ? SQLITE_OK : arena.refusal(reason);
  });
}

}  // namespace sqlitemem::ext
