// Each of the six ways to prepare: is it a CALL, may a parked plan stand for it, what does it mean
// for the parked ones. The rules and why: ARCHITECTURE.md, "The plan cache".
#include "ext/host/preload_prepare.h"

#include <cstring>
#include <string>

#include "ext/host/preload_plans.h"
#include "ext/plans/admission.h"
#include "ext/plans/embedder.h"
#include "ext/plans/sql_text.h"

namespace sqlitemem::ext::preload {
namespace {

using plans::Admission;
using plans::PlanCache;
using plans::PlanKey;
using plans::SqliteCalls;
using plans::StatementKind;

constexpr std::size_t longest_plan_sql_bytes = 4096;
constexpr int most_given_bytes = 1'000'000;  // SQLite's own limit on the text's length.

using Prepare = int (*)(sqlite3*, const char*, int, sqlite3_stmt**, const char**);
using PrepareV3 = int (*)(sqlite3*, const char*, int, unsigned, sqlite3_stmt**, const char**);

constinit std::atomic<void* const*> prepare_targets{nullptr};

/// A call of one of the functions. `Letter`: char, or char16_t for the kind that takes UTF-16.
template <class Letter>
struct Request {
  sqlite3* db;
  const Letter* sql;
  int bytes;
  unsigned flags;
  sqlite3_stmt** out;
  const Letter** tail;
  Slot slot;

  /// SQLite's own function.
  int forward() const {
    void* function =
        prepare_targets.load(std::memory_order_acquire)[static_cast<std::size_t>(slot)];
    // UTF-16 comes as const void*, which is passed alike.
    const auto* text = reinterpret_cast<const char*>(sql);
    auto** end = reinterpret_cast<const char**>(tail);
    if (slot == Slot::prepare_v3 || slot == Slot::prepare16_v3)
      return reinterpret_cast<PrepareV3>(function)(db, text, bytes, flags, out, end);
    return reinterpret_cast<Prepare>(function)(db, text, bytes, out, end);
  }
  [[nodiscard]] std::size_t letters() const noexcept {
    const auto most = bytes < 0 ? SIZE_MAX : static_cast<std::size_t>(bytes) / sizeof(Letter);
    std::size_t count = 0;
    if constexpr (sizeof(Letter) == 1) {
      return bytes < 0 ? std::strlen(sql) : ::strnlen(sql, most);
    } else {
      while (count < most && sql[count] != 0) ++count;
      return count;
    }
  }
};

/// False at a glance for nearly every text: the first letter is another.
template <class Letter>
bool may_be_call(const Request<Letter>& request) noexcept {
  if (request.sql == nullptr || request.bytes == 0 || request.out == nullptr) return false;
  const auto first = request.sql[0];
  return !((first >= 'a' && first <= 'z' && first != 'c') ||
           (first >= 'A' && first <= 'Z' && first != 'C'));
}

/// "CALL f(x)" as "SELECT f(x)": in `text`, with the two letters more taken from blanks in front
/// where there are some. False: it is none. Tails are put back by what it returns in `shift`.
template <class Letter>
bool write_as_select(const Request<Letter>& request, std::basic_string<Letter>& text) {
  const std::size_t length = request.letters();
  std::string plain;  // What does not fit a char cannot be part of what is looked for.
  constexpr std::size_t glance = 4096;
  for (std::size_t i = 0; i < length && i < glance; ++i) {
    const auto letter = request.sql[i];
    plain +=
        sizeof(Letter) > 1 && (letter < 0 || letter > 127) ? '\x80' : static_cast<char>(letter);
  }
  const auto at = plans::find_call(plain);
  if (!at) return false;
  constexpr char select[] = "SELECT";
  text.assign(request.sql, request.sql + length);
  const std::basic_string<Letter> word(select, select + 6);
  text.replace(*at, 4, word);
  return true;
}

unsigned data_version(const SqliteCalls& real, const PlanCache& cache) {
  unsigned sum = 0, version = 0;
  if (!cache.admission->has_attached) {
    real.file_control(cache.db(), "main", SQLITE_FCNTL_DATA_VERSION, &version);
    return version;
  }
  for (int index = 0; const char* name = real.db_name(cache.db(), index); ++index) {
    version = 0;
    real.file_control(cache.db(), name, SQLITE_FCNTL_DATA_VERSION, &version);
    sum = sum * 31 + version;
  }
  return sum;
}

void note_attach(const SqliteCalls& real, Admission& admission, std::string_view text) {
  if (!plans::is_attach(text)) return;
  admission.has_attached = true;
  if (real.db_name == nullptr || plans::may_attach_shared(text))
    admission.reasons |= plans::shares_cache;
}

/// A statement that SQLite prepares for itself, and that may change what the kept ones mean.
void note_within(sqlite3* db, StatementKind kind, std::string_view text) {
  const SqliteCalls& real = *plans::served_calls();
  const plans::MutexGuard mutex(real, real.db_mutex(db));
  // What is attached has to be known also to those who keep their first statement later.
  PlanCache* const cache = plans::is_attach(text)
                               ? plans::cache_of(real, db, plans::Drain::by_interposition)
                               : plans::find_cache(db);
  if (cache == nullptr || cache->admission == nullptr) return;
  if (kind == StatementKind::exclusive) cache->admission->is_unverified = true;
  if (kind != StatementKind::hazard) return;
  cache->drop_parked();
  cache->admission->ran_hazard_within = true;
  note_attach(real, *cache->admission, text);
}

/// SQLite prepares for itself: for sqlite3_exec(), a virtual table, or as we asked.
int prepare_within(const Request<char>& request, std::string_view text) {
  if (plan_mode() == PlanMode::checking) note_checked(request.db, request.slot);
  const StatementKind kind = plans::kind_of(text);
  const bool concerns = kind == StatementKind::hazard || kind == StatementKind::exclusive;
  if (concerns && keeps_plans()) note_within(request.db, kind, text);
  const int rc = request.forward();
  if (kind == StatementKind::hazard && plans::mentions(text, "heap_limit")) stop_plans_if_limited();
  return rc;
}

/// One prepare of the program's, under the connection's mutex.
class Preparation {
 public:
  Preparation(const Request<char>& request, std::string_view text, StatementKind kind,
              PlanCache& cache)
      : request_(request), text_(text), kind_(kind), cache_(cache), admission_(*cache.admission) {}

  [[nodiscard]] bool is_admitted() const noexcept {
    constexpr unsigned known_flags = SQLITE_PREPARE_PERSISTENT;
    return kind_ == StatementKind::plain && request_.slot != Slot::prepare &&
           (request_.flags & ~known_flags) == 0 && admission_.reasons == 0 &&
           admission_.hazards == 0 && !cache_.is_closing &&
           text_.size() <= longest_plan_sql_bytes && request_.bytes <= most_given_bytes;
  }
  /// True: a parked plan was given.
  bool take(const PlanKey& key) noexcept {
    if (is_interrupted()) return false;
    const plans::Plan* plan = cache_.take(key);
    if (plan == nullptr) return false;
    // As after any statement that was prepared: no error is left to be asked for.
    if (real_.errcode(request_.db) != SQLITE_OK)
      real_.exec(request_.db, "", nullptr, nullptr, nullptr);
    *request_.out = plan->statement;
    if (request_.tail != nullptr) *request_.tail = request_.sql + plan->tail;
    return true;
  }
  /// Whether compiling can leave the parked ones alone without a look.
  [[nodiscard]] bool is_of_no_consequence() const noexcept {
    return kind_ == StatementKind::plain && !cache_.knows_any() && !admission_.is_unverified &&
           !admission_.is_interrupted;
  }
  int compile(const PlanKey* to_be_kept) noexcept {
    const bool is_hazard = kind_ == StatementKind::hazard;
    if (is_hazard || (admission_.is_unverified && kind_ == StatementKind::plain)) {
      cache_.drop_parked();
      admission_.is_unverified = false;
    }
    if (is_hazard) note_attach(real_, admission_, text_);
    const bool is_watching = cache_.knows_any();
    const unsigned before = is_watching ? data_version(real_, cache_) : 0;
    const char* end = request_.sql;
    Request<char> compiled = request_;
    compiled.tail = &end;
    if (to_be_kept != nullptr) {
      // Lookaside memory is for what comes and goes: plans that stay would slow all else.
      compiled.slot = Slot::prepare_v3;
      compiled.flags |= SQLITE_PREPARE_PERSISTENT;
    }
    const int rc = compiled.forward();
    if (request_.tail != nullptr) *request_.tail = end;
    if (rc == SQLITE_OK) admission_.is_interrupted = false;
    if (is_watching && (rc != SQLITE_OK || data_version(real_, cache_) != before))
      cache_.drop_parked();
    if (rc == SQLITE_OK && *request_.out != nullptr) remember(to_be_kept, end);
    return rc;
  }

 private:
  void remember(const PlanKey* to_be_kept, const char* end) noexcept {
    bool is_remembered = true;
    if (to_be_kept != nullptr) {
      cache_.track(*request_.out, *to_be_kept, static_cast<std::size_t>(end - request_.sql));
    } else if (kind_ == StatementKind::exclusive) {
      admission_.is_unverified = true;
      is_remembered = remember_exclusive(*request_.out);
    } else if (kind_ == StatementKind::hazard) {
      is_remembered = cache_.track_hazard(*request_.out) != nullptr;
      if (is_remembered) ++admission_.hazards;
    }
    if (!is_remembered) admission_.reasons |= plans::is_out_of_memory;
  }
  [[nodiscard]] bool is_interrupted() const noexcept {
    if (real_.is_interrupted != nullptr) return real_.is_interrupted(request_.db) != 0;
    return admission_.is_interrupted;
  }

  const SqliteCalls& real_ = *plans::served_calls();
  const Request<char>& request_;
  std::string_view text_;
  StatementKind kind_;
  PlanCache& cache_;
  Admission& admission_;
};

/// Compiles it for the program, and does to the parked ones what that asks for.
int compile_unkept(const Request<char>& request) {
  PlanCache* const cache = keeps_plans() ? plans::find_cache(request.db) : nullptr;
  if (cache == nullptr || cache->admission == nullptr) return request.forward();
  const plans::MutexGuard mutex(*plans::served_calls(), cache->mutex());
  return Preparation(request, request.sql, StatementKind::plain, *cache).compile(nullptr);
}
int compile_unkept(const Request<char16_t>& request) { return request.forward(); }

/// Prepares the text that was written in place of the caller's.
template <class Letter>
int prepare_call(const Request<Letter>& request) {
  std::basic_string<Letter> text;
  try {
    if (!write_as_select(request, text)) return request.forward();
  } catch (const std::bad_alloc&) {
    return SQLITE_NOMEM;
  }
  const Letter* end = nullptr;
  Request<Letter> written = request;
  written.sql = text.c_str();
  written.bytes = -1;
  written.tail = &end;
  const int rc = compile_unkept(written);
  if (request.tail != nullptr && end != nullptr) {
    const auto behind = static_cast<std::size_t>(end - text.c_str());
    *request.tail = request.sql + (behind < 2 ? 0 : behind - 2);
  }
  return rc;
}

int prepare_for_program(const Request<char>& request, std::string_view text) {
  const StatementKind kind = plans::kind_of(text);
  if (kind == StatementKind::neutral) return request.forward();
  const SqliteCalls& real = *plans::served_calls();
  const PlanKey key(text.substr(0, longest_plan_sql_bytes), request.flags);
  // A program that never repeats a statement comes no further.
  PlanCache* const known = plans::find_cache(request.db);
  if (kind == StatementKind::plain && known != nullptr && !known->knows_any() &&
      known->admission != nullptr && !known->admission->is_second_sight(key.hash)) {
    known->count_miss();
    return request.forward();
  }
  plans::MutexGuard mutex(real, real.db_mutex(request.db));
  PlanCache* const cache = plans::cache_of(real, request.db, plans::Drain::by_interposition);
  if (cache == nullptr) {
    mutex.leave();
    return request.forward();
  }
  Preparation preparation(request, text, kind, *cache);
  int rc = SQLITE_OK;
  if (preparation.is_admitted()) {
    if (preparation.take(key)) return SQLITE_OK;
    cache->count_miss();
    if (cache->admission->is_second_sight(key.hash)) {
      rc = preparation.compile(&key);
    } else if (preparation.is_of_no_consequence()) {
      mutex.leave();
      return request.forward();
    } else {
      rc = preparation.compile(nullptr);
    }
  } else {
    rc = preparation.compile(nullptr);
  }
  mutex.leave();
  if (kind == StatementKind::hazard && plans::mentions(text, "heap_limit")) stop_plans_if_limited();
  return rc;
}

int prepare_utf8(const Request<char>& request, const void* caller) {
  if (may_be_call(request)) {
    const std::string_view text(request.sql, request.letters());
    if (plans::find_call(text)) return prepare_call(request);
  }
  const PlanMode mode = plan_mode();
  if (mode == PlanMode::off || mode == PlanMode::undecided || request.db == nullptr ||
      request.sql == nullptr || request.out == nullptr)
    return request.forward();
  const std::string_view text(request.sql, request.letters());
  if (is_from_within(caller) || mode != PlanMode::on) return prepare_within(request, text);
  return prepare_for_program(request, text);
}

int prepare_utf16(const Request<char16_t>& request, const void* caller) {
  if (keeps_plans() && request.db != nullptr && !is_from_within(caller))
    set_reason(request.db, plans::prepares_utf16, true);
  return may_be_call(request) ? prepare_call(request) : request.forward();
}

// Who called the present function. A macro, so that it is the right return address.
#define SQLITEMEM_CALLER __builtin_extract_return_addr(__builtin_return_address(0))

template <Slot slot>
int prepare(sqlite3* db, const char* sql, int bytes, sqlite3_stmt** out, const char** tail) {
  return prepare_utf8({db, sql, bytes, 0, out, tail, slot}, SQLITEMEM_CALLER);
}
int prepare_v3(sqlite3* db, const char* sql, int bytes, unsigned flags, sqlite3_stmt** out,
               const char** tail) {
  return prepare_utf8({db, sql, bytes, flags, out, tail, Slot::prepare_v3}, SQLITEMEM_CALLER);
}
template <Slot slot>
int prepare16(sqlite3* db, const char16_t* sql, int bytes, sqlite3_stmt** out,
              const char16_t** tail) {
  return prepare_utf16({db, sql, bytes, 0, out, tail, slot}, SQLITEMEM_CALLER);
}
int prepare16_v3(sqlite3* db, const char16_t* sql, int bytes, unsigned flags, sqlite3_stmt** out,
                 const char16_t** tail) {
  return prepare_utf16({db, sql, bytes, flags, out, tail, Slot::prepare16_v3}, SQLITEMEM_CALLER);
}

}  // namespace

void set_prepare_targets(void* const* functions_by_slot) noexcept {
  prepare_targets.store(functions_by_slot, std::memory_order_release);
}

void* prepare_function(Slot slot) noexcept {
  switch (slot) {
    case Slot::prepare:
      return reinterpret_cast<void*>(prepare<Slot::prepare>);
    case Slot::prepare_v2:
      return reinterpret_cast<void*>(prepare<Slot::prepare_v2>);
    case Slot::prepare_v3:
      return reinterpret_cast<void*>(prepare_v3);
    case Slot::prepare16:
      return reinterpret_cast<void*>(prepare16<Slot::prepare16>);
    case Slot::prepare16_v2:
      return reinterpret_cast<void*>(prepare16<Slot::prepare16_v2>);
    case Slot::prepare16_v3:
      return reinterpret_cast<void*>(prepare16_v3);
    default:
      return nullptr;
  }
}

}  // namespace sqlitemem::ext::preload
