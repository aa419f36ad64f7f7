// The bodies of the C functions of sqlitemem.h that serve transactions.
#pragma once

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>

namespace sqlitemem::ext {

/// Whether `db` is this copy's to serve.
bool serves_transactions_of(sqlite3* db) noexcept;

// As the functions without `message`, which gets the words of a failure; `message_bytes` is not 0.
void* allocate_in_transaction(sqlite3* db, std::uint64_t bytes, char* message,
                              std::size_t message_bytes) noexcept;
int expect_in_transaction(sqlite3* db, std::uint64_t bytes) noexcept;
void* transaction_pointer(sqlite3* db, const void* key) noexcept;
int set_transaction_pointer(sqlite3* db, const void* key, void* pointer, char* message,
                            std::size_t message_bytes) noexcept;

}  // namespace sqlitemem::ext
