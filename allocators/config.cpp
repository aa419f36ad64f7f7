// The options at run time: reading and writing them as text, who set them, and what waits for a
// restart.
#include "allocators/config.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <utility>

#include "allocators/base/words.h"

namespace sqlitemem {
namespace {

/// What is known of an option beyond its value. Guarded by `lock`.
struct Provenance {
  OptionSource source = OptionSource::boot;
  bool pending_restart = false;
  std::int64_t pending_value = 0;
};

constinit Config the_config;
constinit Lock lock;
constinit std::array<Provenance, options.size()> provenance SQLITEMEM_GUARDED_BY(lock);
constinit std::atomic<bool> started{false};
constinit std::array<std::atomic<ConfigListener>, 4> listeners{};

struct Unit {
  std::string_view name;
  std::int64_t factor;
};
// The first name of each factor is the one that format_option() writes; of these the largest factor
// comes first. The other names are read only.
constexpr auto byte_units = std::to_array<Unit>({
    {"TB", std::int64_t{1} << 40},
    {"GB", std::int64_t{1} << 30},
    {"MB", std::int64_t{1} << 20},
    {"kB", std::int64_t{1} << 10},
    {"TiB", std::int64_t{1} << 40},
    {"GiB", std::int64_t{1} << 30},
    {"MiB", std::int64_t{1} << 20},
    {"KiB", std::int64_t{1} << 10},
    {"T", std::int64_t{1} << 40},
    {"G", std::int64_t{1} << 30},
    {"M", std::int64_t{1} << 20},
    {"k", std::int64_t{1} << 10},
    {"B", 1},
});
// Days are read only: 24h is as clear, and 36h clearer.
constexpr auto time_units = std::to_array<Unit>({
    {"h", 3600 * 1000},
    {"min", 60 * 1000},
    {"s", 1000},
    {"ms", 1},
    {"d", 24 * 3600 * 1000},
    {"day", 24 * 3600 * 1000},
    {"days", 24 * 3600 * 1000},
    {"hour", 3600 * 1000},
    {"hours", 3600 * 1000},
    {"minute", 60 * 1000},
    {"minutes", 60 * 1000},
    {"sec", 1000},
    {"second", 1000},
    {"seconds", 1000},
    {"millisecond", 1},
    {"milliseconds", 1},
});
constexpr auto whole_time_units = std::to_array<Unit>({
    {"h", 3600},
    {"min", 60},
    {"s", 1},
    {"d", 24 * 3600},
    {"day", 24 * 3600},
    {"days", 24 * 3600},
    {"hour", 3600},
    {"hours", 3600},
    {"minute", 60},
    {"minutes", 60},
    {"sec", 1},
    {"second", 1},
    {"seconds", 1},
});
constexpr auto percent_units = std::to_array<Unit>({{"%", 1}, {"percent", 1}});

constexpr std::span<const Unit> units_of(OptionType type) {
  if (type == OptionType::bytes) return byte_units;
  if (type == OptionType::milliseconds) return time_units;
  if (type == OptionType::seconds) return whole_time_units;
  if (type == OptionType::percent) return percent_units;
  return {};
}

/// Boot values, read before anything can change them: constant-initialised like the_config itself.
constinit const Config boot_config;

consteval bool ranges_make_sense() {
  for (const OptionSpec& spec : options) {
    if (spec.min > spec.max) return false;
    if (spec.type == OptionType::enumeration &&
        static_cast<std::size_t>(spec.max) + 1 != spec.choices.size()) {
      return false;
    }
  }
  return true;
}
static_assert(ranges_make_sense(), "an option has an empty range, or choices beyond it");

constexpr char upper(char letter) {
  return letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 'a' + 'A') : letter;
}
bool equal_ignoring_case(std::string_view left, std::string_view right) {
  return std::ranges::equal(left, right, {}, lower_case, lower_case);
}
bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }
/// The carriage return comes with files from elsewhere.
bool is_space(char letter) {
  return letter == ' ' || letter == '\t' || letter == '\n' || letter == '\r';
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

/// Wide enough that no product of a setting and its unit overflows before it is checked.
__extension__ using Wide = unsigned __int128;

enum class ParseResult { ok, unreadable, too_large };

/// "-12", "64MB", "1.5 GB", "2s". A fraction of the base unit must be zero, as in "64.0", which is
/// how SQL writes a REAL; one of a larger unit is cut off below the base unit.
ParseResult parse_number(std::string_view text, std::span<const Unit> units, std::int64_t& value) {
  constexpr auto limit = static_cast<Wide>(std::numeric_limits<std::int64_t>::max());
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  Wide digits = 0, scale = 1;
  std::size_t digit_count = 0;
  bool after_point = false;
  for (; !text.empty(); text.remove_prefix(1)) {
    if (text.front() == '.' && !after_point) {
      after_point = true;
    } else if (is_digit(text.front())) {
      if (++digit_count > 24) return ParseResult::too_large;
      digits = digits * 10 + static_cast<unsigned>(text.front() - '0');
      if (after_point) scale *= 10;
    } else {
      break;
    }
  }
  if (digit_count == 0) return ParseResult::unreadable;
  std::int64_t factor = 1;
  if (const std::string_view name = trimmed(text); !name.empty()) {
    const auto unit = std::ranges::find_if(
        units, [&](const Unit& known) { return equal_ignoring_case(known.name, name); });
    if (unit == units.end()) return ParseResult::unreadable;
    factor = unit->factor;
  }
  if (factor == 1 && digits % scale != 0) return ParseResult::unreadable;
  if (digits / scale > limit / static_cast<Wide>(factor)) return ParseResult::too_large;
  const auto whole = digits / scale * static_cast<Wide>(factor);
  const auto fraction = digits % scale * static_cast<Wide>(factor) / scale;
  if (whole + fraction > limit) return ParseResult::too_large;
  value = static_cast<std::int64_t>(whole + fraction);
  if (negative) value = -value;
  return ParseResult::ok;
}

/// One of the choices in any case; for off and on also the other common words.
ParseResult parse_choice(std::string_view text, std::span<const std::string_view> choices,
                         std::int64_t& value) {
  const auto is_one_of = [&](std::initializer_list<std::string_view> words) {
    return std::ranges::any_of(words, [&](auto word) { return equal_ignoring_case(word, text); });
  };
  for (std::size_t index = 0; index < choices.size(); ++index) {
    if (equal_ignoring_case(choices[index], text) ||
        (choices[index] == "on" && is_one_of({"1", "true", "yes"})) ||
        (choices[index] == "off" && is_one_of({"0", "false", "no"}))) {
      value = static_cast<std::int64_t>(index);
      return ParseResult::ok;
    }
  }
  return ParseResult::unreadable;
}

std::string expectation(const OptionSpec& spec) {
  switch (spec.type) {
    case OptionType::integer:
      return "a whole number";
    case OptionType::bytes:
      return "bytes or a size such as 512kB, 64MB, 1GB";
    case OptionType::seconds:
      return "seconds or a time such as 30s, 5min, 1h";
    case OptionType::milliseconds:
      return "milliseconds or a time such as 500ms, 2s, 1min";
    case OptionType::percent:
      return "a whole percentage such as 70% or 70";
    case OptionType::enumeration:
      break;
  }
  return fmt::format("one of {}", fmt::join(spec.choices, ", "));
}

std::string unknown_name_message(std::string_view name) {
  std::array<std::string_view, options.size()> names;
  std::ranges::transform(options, names.begin(), &OptionSpec::name);
  const std::string nearest = nearest_words(name, names);
  return fmt::format("unknown option {}{}", quoted(name),
                     nearest.empty() ? "; the table memory_config lists them all" : nearest);
}

SetOutcome parse_value(const OptionSpec& spec, std::string_view text, std::int64_t& value) {
  const std::string_view readable = trimmed(text);
  const ParseResult parsed = spec.type == OptionType::enumeration
                                 ? parse_choice(readable, spec.choices, value)
                                 : parse_number(readable, units_of(spec.type), value);
  if (parsed == ParseResult::unreadable) {
    return {SetResult::bad_value, fmt::format("{} is not a value for {}: expected {}", quoted(text),
                                              spec.name, expectation(spec))};
  }
  if (parsed == ParseResult::too_large || value < spec.min || value > spec.max) {
    return {SetResult::out_of_range,
            fmt::format("{} is outside the range of {}: {} to {}", quoted(readable), spec.name,
                        format_option(spec, spec.min), format_option(spec, spec.max))};
  }
  return {};
}

constexpr std::size_t index_of(const OptionSpec& spec) {
  return static_cast<std::size_t>(&spec - options.data());
}

/// "SQLITEMEM_MEMORY_LIMIT", in a buffer of the caller: nothing may allocate before main.
using EnvironmentName = std::array<char, 64>;
EnvironmentName environment_name(const OptionSpec& spec) noexcept {
  constexpr std::string_view prefix = "SQLITEMEM_";
  EnvironmentName name{};
  char* end = std::ranges::copy(prefix, name.data()).out;
  std::ranges::transform(spec.name.substr(0, name.size() - prefix.size() - 1), end, upper);
  return name;
}

SetOutcome pending_outcome(const OptionSpec& spec, std::int64_t value) {
  const std::string text = format_option(spec, value);
  return {SetResult::pending_restart,
          fmt::format("{} is read once, when the heap starts: {} is noted as pending_setting, and "
                      "does not act in this process; for the next start, set {}={} in the "
                      "environment",
                      spec.name, text, environment_name(spec).data(), text)};
}

/// Stores a value that was found good: at once, or as pending if its time has passed.
SetOutcome store(const OptionSpec& spec, std::int64_t value, OptionSource source) {
  const LockGuard guard(lock);
  Provenance& known = provenance[index_of(spec)];
  OptionValue& in_force = the_config.*spec.value;
  if (spec.context == OptionContext::startup && started.load(std::memory_order_relaxed)) {
    known.pending_restart = value != in_force.load(std::memory_order_relaxed);
    known.pending_value = value;
    return known.pending_restart ? pending_outcome(spec, value) : SetOutcome{};
  }
  in_force.store(value, std::memory_order_relaxed);
  known = {.source = source};
  return {};
}

/// Outside the lock: the listener reads options, and may take the heap's locks.
void notify_of(const OptionSpec& spec) noexcept {
  if (spec.context != OptionContext::runtime) return;
  for (const auto& listener : listeners)
    if (const auto notify = listener.load(std::memory_order_acquire)) notify();
}

/// Variables that no option reads: most likely misspelt.
void describe_unknown_variables(std::string& problems) {
  constexpr std::string_view prefix = "SQLITEMEM_";
  for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view variable(*entry);
    if (!variable.starts_with(prefix)) continue;
    const std::string_view name = variable.substr(0, variable.find('='));
    std::string option_name(name.substr(prefix.size()));
    std::ranges::transform(option_name, option_name.begin(), lower_case);
    const bool is_known =
        std::ranges::any_of(
            options,
            [&](const OptionSpec& spec) { return name == environment_name(spec).data(); }) ||
        std::ranges::find(variables, name, &VariableSpec::name) != variables.end();
    if (!is_known) problems += fmt::format("{}: {}\n", name, unknown_name_message(option_name));
  }
}

/// An explicit setting by the program or by SQL is not undone by reading the environment again.
bool environment_may_set(const OptionSpec& spec) {
  const LockGuard guard(lock);
  const OptionSource source = provenance[index_of(spec)].source;
  return source == OptionSource::boot || source == OptionSource::environment;
}

}  // namespace

Config& config() noexcept { return the_config; }

SetOutcome check_option(std::string_view name, std::string_view text, std::int64_t& value) {
  const auto spec = std::ranges::find(options, name, &OptionSpec::name);
  if (spec == options.end()) return {SetResult::unknown_name, unknown_name_message(name)};
  return parse_value(*spec, text, value);
}

SetOutcome set_option(std::string_view name, std::string_view text, OptionSource source) {
  std::int64_t value = 0;
  if (SetOutcome refused = check_option(name, text, value); refused.result != SetResult::ok) {
    return refused;
  }
  const auto spec = std::ranges::find(options, name, &OptionSpec::name);
  SetOutcome outcome = store(*spec, value, source);
  notify_of(*spec);
  return outcome;
}

OptionBefore remember_option(const OptionSpec& spec) {
  const LockGuard guard(lock);
  const Provenance& known = provenance[index_of(spec)];
  return {option(spec.value), known.source, known.pending_restart, known.pending_value};
}

void put_back_option(const OptionSpec& spec, const OptionBefore& before) noexcept {
  {
    const LockGuard guard(lock);
    (the_config.*spec.value).store(before.value, std::memory_order_relaxed);
    provenance[index_of(spec)] = {before.source, before.pending_restart, before.pending_value};
  }
  notify_of(spec);
}

void read_environment(std::string* problems) {
  for (const OptionSpec& spec : options) {
    const EnvironmentName name = environment_name(spec);
    const char* text = std::getenv(name.data());
    if (text == nullptr || !environment_may_set(spec)) continue;
    const SetOutcome outcome = set_option(spec.name, text, OptionSource::environment);
    if (outcome.result == SetResult::ok || problems == nullptr) continue;
    *problems += fmt::format("{}: {}\n", name.data(), outcome.message);
  }
  if (problems != nullptr) describe_unknown_variables(*problems);
}

OptionState option_state(const OptionSpec& spec) {
  Provenance known;
  {
    const LockGuard guard(lock);
    known = provenance[index_of(spec)];
  }
  OptionState state;
  state.setting = format_option(spec, option(spec.value));
  state.boot_val = format_option(spec, (boot_config.*spec.value).load(std::memory_order_relaxed));
  state.source = known.source;
  state.pending_restart = known.pending_restart;
  if (known.pending_restart) state.pending_setting = format_option(spec, known.pending_value);
  return state;
}

std::string format_option(const OptionSpec& spec, std::int64_t value) {
  if (spec.type == OptionType::enumeration) {
    const auto index = static_cast<std::size_t>(value);
    return std::string(index < spec.choices.size() ? spec.choices[index] : "?");
  }
  if (spec.type == OptionType::percent) return fmt::format("{}%", value);  // Also 0.
  for (const Unit& unit : units_of(spec.type)) {
    if (value != 0 && value % unit.factor == 0)
      return fmt::format("{}{}", value / unit.factor, unit.name);
  }
  return fmt::format("{}", value);
}

Lock& config_lock() noexcept { return lock; }

void mark_started() noexcept { started.store(true, std::memory_order_relaxed); }

void add_config_listener(ConfigListener callback) noexcept {
  for (auto& listener : listeners) {
    ConfigListener known = nullptr;
    if (listener.compare_exchange_strong(known, callback, std::memory_order_acq_rel)) return;
    if (known == callback) return;
  }
}

}  // namespace sqlitemem
