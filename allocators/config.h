// THE place to add a configuration option: one atomic in Config, one line in `options`.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "allocators/base/bytes.h"
#include "allocators/base/lock.h"

namespace sqlitemem {

/// How `setting` is read and shown. Values are stored as integers in the base unit.
enum class OptionType : std::uint8_t {
  integer,       ///< A plain count.
  bytes,         ///< "64MB", "512kB", "1GB" or bytes; shown with the largest exact unit.
  milliseconds,  ///< "2s", "500ms", "1min", "2 minutes" or milliseconds.
  seconds,       ///< "30s", "5min", "1 hour" or seconds.
  percent,       ///< "70%" or 70: whole percents; shown as "70%".
  enumeration,   ///< One of `choices`; stored as its index.
};

/// `startup` options are read once, when the heap starts; a later change waits for the next start.
enum class OptionContext : std::uint8_t { startup, runtime };

/// Who set the value that is in force.
enum class OptionSource : std::uint8_t { boot, environment, api, sql };

enum class AllocationStrategy : std::int64_t { best_fit, first_fit, worst_fit };
enum class OnCorruption : std::int64_t { abort, report };
enum class AttachPolicy : std::int64_t { automatic, never };
enum class Memstatus : std::int64_t { automatic, off, on };
enum class HeapChecks : std::int64_t { exchange, every_call };

using OptionValue = std::atomic<std::int64_t>;

/// Every tunable, in its base unit. Read with relaxed loads on slow paths only; the hot path never
/// reads it.
struct Config {
  OptionValue memory_limit{0};  // 0: no limit.
  OptionValue memstatus{0};
  OptionValue attach{0};
  OptionValue on_corruption{0};
  OptionValue heap_checks{0};
  OptionValue region_size{64 * static_cast<std::int64_t>(gib)};
  OptionValue lock_entry_magazine{128};
  OptionValue page_header_magazine{128};
  OptionValue version_record_magazine{112};
  OptionValue small_row_magazine{96};
  OptionValue transaction_magazine{64};
  OptionValue medium_row_magazine{64};
  OptionValue large_row_magazine{32};
  OptionValue index_node_magazine{16};
  OptionValue page_run_magazine{4};
  OptionValue learned_classes{8};
  OptionValue large_object_threshold{256 * static_cast<std::int64_t>(kib)};
  OptionValue allocation_strategy{0};
  OptionValue large_object_retain{17};
  OptionValue huge_pages{0};
  OptionValue purge_delay{1000};
  OptionValue buffer_pool{1};
  OptionValue buffer_pool_size{0};  // 0: automatic.
  OptionValue buffer_pool_policy{0};
  OptionValue buffer_pool_advice{1};
  OptionValue transaction_arena{0};  // 0: automatic.
  OptionValue transaction_arena_growth{1};
  OptionValue plan_cache{0};
  OptionValue plan_cache_max_plans{1024};
  OptionValue plan_cache_max_bytes{16 * static_cast<std::int64_t>(mib)};
  OptionValue plan_cache_max_plan_bytes{256 * static_cast<std::int64_t>(kib)};
  OptionValue orphan_idle_time{60 * 1000};
  OptionValue response_mode{1};
  OptionValue pressure_levels{1};
  OptionValue emergency_reserve{3};
  OptionValue long_query_seconds{30};
  OptionValue sample_interval{1000};
  OptionValue monitor{0};
  OptionValue history_size{60};
  OptionValue forecaster{0};
};

/// One row of memory_config: everything about an option but its present value.
struct OptionSpec {
  std::string_view name;
  OptionValue Config::*value;
  OptionType type;
  OptionContext context;
  std::string_view category;
  std::int64_t min, max;
  std::span<const std::string_view> choices;  // enumeration only, in the order of the enum.
  std::string_view short_desc;
};

namespace config_detail {
inline constexpr auto off_on = std::to_array<std::string_view>({"off", "on"});
inline constexpr auto auto_off_on = std::to_array<std::string_view>({"auto", "off", "on"});
inline constexpr auto auto_never = std::to_array<std::string_view>({"auto", "never"});
inline constexpr auto abort_report = std::to_array<std::string_view>({"abort", "report"});
inline constexpr auto exchange_every = std::to_array<std::string_view>({"exchange", "every_call"});
inline constexpr auto fits =
    std::to_array<std::string_view>({"best_fit", "first_fit", "worst_fit"});
/// In the order of AnyPolicy (allocators/pool/policy/policies.h), which checks it.
inline constexpr auto policies = std::to_array<std::string_view>({"s3fifo", "lru", "2q", "arc"});
/// After auto in the order of ArenaProfile (allocators/arena/arena_profile.h), which checks it.
inline constexpr auto arenas =
    std::to_array<std::string_view>({"auto", "tiny", "small", "medium", "large", "huge"});
/// In the orders of ResponseMode, LevelPreset and ForecasterKind (allocators/pressure), which check
/// them.
inline constexpr auto responses = std::to_array<std::string_view>({"off", "reclaim", "full"});
inline constexpr auto levels =
    std::to_array<std::string_view>({"development", "production", "mission_critical"});
inline constexpr auto forecasters =
    std::to_array<std::string_view>({"gated_trend", "ols", "persistence"});
inline constexpr auto monitors = std::to_array<std::string_view>({"off", "thread"});
inline constexpr std::int64_t eib = std::int64_t{1} << 60;
}  // namespace config_detail

// clang-format off
inline constexpr auto options = std::to_array<OptionSpec>({
    {"memory_limit", &Config::memory_limit, OptionType::bytes, OptionContext::runtime, "Limits",
     0, config_detail::eib, {},
     "Most bytes the heap may hold from the operating system; beyond it SQLite gets SQLITE_NOMEM. "
     "0 means no limit."},
    {"memstatus", &Config::memstatus, OptionType::enumeration, OptionContext::startup, "SQLite",
     0, 2, config_detail::auto_off_on,
     "SQLite's own memory accounting, one global mutex per call. auto: off under preload, where "
     "sqlitemem answers instead; on elsewhere."},
    {"attach", &Config::attach, OptionType::enumeration, OptionContext::startup, "SQLite", 0, 1,
     config_detail::auto_never,
     "Whether loading the extension may take over a running SQLite's heap. never: observe only."},
    {"on_corruption", &Config::on_corruption, OptionType::enumeration, OptionContext::runtime,
     "Safety", 0, 1, config_detail::abort_report,
     "After a double free or a corrupt pointer: abort the process, or report it through "
     "sqlite3_log, leak the block and go on."},
    {"heap_checks", &Config::heap_checks, OptionType::enumeration, OptionContext::startup,
     "Safety", 0, 1, config_detail::exchange_every,
     "When a freed pointer is checked in full: as magazines return to their slabs, or at every "
     "call (slower)."},
    {"region_size", &Config::region_size, OptionType::bytes, OptionContext::startup,
     "Address space", 16 * static_cast<std::int64_t>(mib), 1024 * static_cast<std::int64_t>(gib),
     {},
     "Address space to reserve; smaller sizes are tried when it is not to be had."},
    {"lock_entry_magazine", &Config::lock_entry_magazine, OptionType::integer,
     OptionContext::runtime, "Magazines", 2, 1024, {},
     "Objects per magazine, classes up to 64 bytes."},
    {"page_header_magazine", &Config::page_header_magazine, OptionType::integer,
     OptionContext::runtime, "Magazines", 2, 1024, {},
     "Objects per magazine, classes of 80 to 128 bytes."},
    {"version_record_magazine", &Config::version_record_magazine, OptionType::integer,
     OptionContext::runtime, "Magazines", 2, 1024, {},
     "Objects per magazine, classes of 144 to 192 bytes."},
    {"small_row_magazine", &Config::small_row_magazine, OptionType::integer,
     OptionContext::runtime, "Magazines", 2, 1024, {},
     "Objects per magazine, classes of 208 to 256 bytes."},
    {"transaction_magazine", &Config::transaction_magazine, OptionType::integer,
     OptionContext::runtime, "Magazines", 2, 1024, {},
     "Objects per magazine, classes of 288 to 384 bytes."},
    {"medium_row_magazine", &Config::medium_row_magazine, OptionType::integer,
     OptionContext::runtime, "Magazines", 2, 1024, {},
     "Objects per magazine, classes of 416 to 512 bytes."},
    {"large_row_magazine", &Config::large_row_magazine, OptionType::integer,
     OptionContext::runtime, "Magazines", 2, 1024, {},
     "Objects per magazine, classes of 576 to 1920 bytes."},
    {"index_node_magazine", &Config::index_node_magazine, OptionType::integer,
     OptionContext::runtime, "Magazines", 2, 1024, {},
     "Objects per magazine, classes of 2048 to 4608 bytes."},
    {"page_run_magazine", &Config::page_run_magazine, OptionType::integer, OptionContext::runtime,
     "Magazines", 2, 1024, {},
     "Objects per magazine, page runs of 5 to 32 KiB."},
    {"learned_classes", &Config::learned_classes, OptionType::integer, OptionContext::runtime,
     "Slabs", 0, 8, {},
     "Most exact size classes that may be added for sizes the program uses much."},
    {"large_object_threshold", &Config::large_object_threshold, OptionType::bytes,
     OptionContext::runtime, "Large objects", 32 * static_cast<std::int64_t>(kib),
     256 * static_cast<std::int64_t>(kib), {},
     "Requests above this size are large objects: whole pages with their own free regions."},
    {"allocation_strategy", &Config::allocation_strategy, OptionType::enumeration,
     OptionContext::runtime, "Large objects", 0, 2, config_detail::fits,
     "Which free region a large object is taken from."},
    {"large_object_retain", &Config::large_object_retain, OptionType::percent,
     OptionContext::runtime, "Large objects", 0, 400, {},
     "Freed large-object memory kept resident for re-use, as a share of what is usually live. More "
     "is faster, and holds more."},
    {"huge_pages", &Config::huge_pages, OptionType::enumeration, OptionContext::runtime,
     "Large objects", 0, 1, config_detail::off_on,
     "Ask for transparent huge pages for large objects of 2 MiB and more; set when the process "
     "starts, and without a limit of address space, for the buffer pool, too. Faster with many "
     "pages, but the kernel may make resident again what is given back of a huge page in parts."},
    {"purge_delay", &Config::purge_delay, OptionType::milliseconds, OptionContext::runtime,
     "Release", 0, 3600 * 1000, {},
     "How long freed memory stays resident for re-use before it goes back to the operating "
     "system. 0: at once."},
    {"buffer_pool", &Config::buffer_pool, OptionType::enumeration, OptionContext::startup,
     "Buffer pool", 0, 1, config_detail::off_on,
     "One pool of pages for all connections of the process, in place of a cache for each."},
    {"buffer_pool_size", &Config::buffer_pool_size, OptionType::bytes, OptionContext::runtime,
     "Buffer pool", 0, config_detail::eib, {},
     "Bytes for the pages of database files, of all connections together; pages that SQLite is "
     "using come on top when there is no other way. 0: a quarter of memory_limit, else a sixteenth "
     "of the memory of the machine or control group (8 to 256 MB), and at least the sum of the "
     "connections' cache_size."},
    {"buffer_pool_policy", &Config::buffer_pool_policy, OptionType::enumeration,
     OptionContext::startup, "Buffer pool", 0, 3, config_detail::policies,
     "Which pages leave the pool first."},
    {"buffer_pool_advice", &Config::buffer_pool_advice, OptionType::enumeration,
     OptionContext::runtime, "Buffer pool", 0, 1, config_detail::off_on,
     "Watch a sample of the references to pages for buffer_pool_advice(), in at most 256 kB."},
    {"transaction_arena", &Config::transaction_arena, OptionType::enumeration,
     OptionContext::runtime, "Transactions", 0, 5, config_detail::arenas,
     "The profile that the memory of a transaction begins with. auto: what the connection's recent "
     "transactions used."},
    {"transaction_arena_growth", &Config::transaction_arena_growth, OptionType::enumeration,
     OptionContext::runtime, "Transactions", 0, 1, config_detail::off_on,
     "Whether a transaction that reaches the limit of its profile moves to the next one. off: it "
     "is refused memory."},
    {"plan_cache", &Config::plan_cache, OptionType::enumeration, OptionContext::startup,
     "Plan cache", 0, 1, config_detail::off_on,
     "Under preload: keep the statements that an unmodified program finalizes, and give them back "
     "when it prepares the same text again. Programs that call sqlitemem_prepare_cached() need "
     "not set it."},
    {"plan_cache_max_plans", &Config::plan_cache_max_plans, OptionType::integer,
     OptionContext::runtime, "Plan cache", 0, 1000000, {},
     "Most statements kept for re-use, of all connections together. 0: keep none."},
    {"plan_cache_max_bytes", &Config::plan_cache_max_bytes, OptionType::bytes,
     OptionContext::runtime, "Plan cache", 0, config_detail::eib, {},
     "Most bytes in statements kept for re-use, of all connections together."},
    {"plan_cache_max_plan_bytes", &Config::plan_cache_max_plan_bytes, OptionType::bytes,
     OptionContext::runtime, "Plan cache", 0, config_detail::eib, {},
     "A statement larger than this is not kept."},
    {"orphan_idle_time", &Config::orphan_idle_time, OptionType::milliseconds,
     OptionContext::runtime, "Transactions", 0, 7 * 24 * 3600 * 1000, {},
     "How long an open transaction may stand still before orphaned_transactions() lists it, and "
     "kill_orphaned_transactions() rolls it back, when they are called without arguments."},
    {"response_mode", &Config::response_mode, OptionType::enumeration, OptionContext::runtime,
     "Memory pressure", 0, 2, config_detail::responses,
     "What is done as memory runs short. off: nothing, it is only reported. reclaim: what loses "
     "nothing (clean pages, kept plans, free memory). full: also requests are refused before the "
     "limit is reached, new connections are refused and long statements interrupted."},
    {"pressure_levels", &Config::pressure_levels, OptionType::enumeration, OptionContext::runtime,
     "Memory pressure", 0, 2, config_detail::levels,
     "From what usage on memory_pressure reports warning, high, critical and emergency. "
     "development: 80, 90, 95 and 98 %. production: 70, 80, 90 and 95 %. mission_critical: 60, 70, "
     "80 and 90 %."},
    {"emergency_reserve", &Config::emergency_reserve, OptionType::percent, OptionContext::runtime,
     "Memory pressure", 0, 20, {},
     "The part of memory_limit, 256 kB at least, that new pages of in-memory and temporary "
     "databases leave alone, so that a ROLLBACK, or a DELETE of some rows, still finds memory when "
     "they are full."},
    {"long_query_seconds", &Config::long_query_seconds, OptionType::seconds,
     OptionContext::runtime, "Memory pressure", 1, 24 * 3600, {},
     "In response_mode full, and under preload, statements that have been working longer than this "
     "on one row (one call of sqlite3_step) are interrupted in an emergency, those of connections "
     "with a low priority first."},
    {"sample_interval", &Config::sample_interval, OptionType::milliseconds, OptionContext::runtime,
     "Memory pressure", 100, 3600 * 1000, {},
     "How often usage and limits are read."},
    {"monitor", &Config::monitor, OptionType::enumeration, OptionContext::runtime,
     "Memory pressure", 0, 1, config_detail::monitors,
     "off: usage is read by the program's own threads, when they need memory anyway. thread: a "
     "thread of ours reads it, so that samples do not depend on activity."},
    {"history_size", &Config::history_size, OptionType::integer, OptionContext::runtime,
     "Memory pressure", 10, 3600, {},
     "Samples kept for memory_history."},
    {"forecaster", &Config::forecaster, OptionType::enumeration, OptionContext::runtime,
     "Memory pressure", 0, 2, config_detail::forecasters,
     "How usage is forecast. gated_trend: a trend that must be significant, without jumps. ols: a "
     "straight line through the last 60 seconds. persistence: no change."},
});
// clang-format on

/// What is set by the environment only, because it is text.
struct VariableSpec {
  std::string_view name;
  std::string_view short_desc;
};
inline constexpr auto variables = std::to_array<VariableSpec>({
    {"SQLITEMEM_BUFFER_POOL_TRACE",
     "A file that is made, and must not exist yet (%p in its name is the process's number). "
     "Every reference to a page of the buffer pool is written to it, up to 1 GB, for replay_traces "
     "(bench/README.md describes the format). Give the pool room for all pages (buffer_pool_size), "
     "so that the trace does not depend on evictions. A child of fork() writes nothing. "
     "memory_mode() tells what became of it."},
});

/// The process's configuration. Boot values until the environment, the API or SQL changes them.
Config& config() noexcept;

/// A relaxed read: `option(&Config::purge_delay)`.
inline std::int64_t option(OptionValue Config::*value) noexcept {
  return (config().*value).load(std::memory_order_relaxed);
}
template <class Enum>
Enum option_as(OptionValue Config::*value) noexcept {
  return static_cast<Enum>(option(value));
}

enum class SetResult : std::uint8_t {
  ok,
  pending_restart,  ///< A start-up option after the start: noted, without effect in this process.
  unknown_name,     ///< `message` names the nearest options.
  bad_value,        ///< `message` says what is expected.
  out_of_range,     ///< `message` gives the range.
};
struct SetOutcome {
  SetResult result = SetResult::ok;
  std::string message;
};

/// What set_option() would store, without storing it. `value` is set if the result is ok.
SetOutcome check_option(std::string_view name, std::string_view text, std::int64_t& value);

/// Sets an option from text. Any thread. Takes effect before it returns, except `pending_restart`.
SetOutcome set_option(std::string_view name, std::string_view text, OptionSource source);

/// Reads SQLITEMEM_<NAME> for every option. Bad values, and unknown names, are described in
/// `problems`, one line each. Allocation-free when nothing is set, so that it may run before main.
void read_environment(std::string* problems);

/// All that set_option() changes of one option, to put it back.
struct OptionBefore {
  std::int64_t value = 0;
  OptionSource source = OptionSource::boot;
  bool pending_restart = false;
  std::int64_t pending_value = 0;
};
OptionBefore remember_option(const OptionSpec& spec);
void put_back_option(const OptionSpec& spec, const OptionBefore& before) noexcept;

/// A row of memory_config's changing half.
struct OptionState {
  std::string setting;  ///< As set_option() reads it.
  std::string boot_val;
  OptionSource source = OptionSource::boot;
  bool pending_restart = false;
  std::optional<std::string> pending_setting;  ///< What waits for the next start.
};
OptionState option_state(const OptionSpec& spec);

/// The text form of `value` for this option, e.g. "64MB", "1s", "best_fit".
std::string format_option(const OptionSpec& spec, std::int64_t value);

/// Guards who set what. For fork: a child must not find it taken by a thread that is not there.
Lock& config_lock() noexcept;

/// Called by the heap when it starts: from now on changes to `startup` options are pending.
void mark_started() noexcept;

/// Called after each change of a runtime option, by those that apply it: the heap, the plan cache.
/// At most four listeners, for ever; again is harmless.
using ConfigListener = void (*)() noexcept;
void add_config_listener(ConfigListener listener) noexcept;

}  // namespace sqlitemem
