// Options: units, ranges, unknown names, where a value came from, and what waits for a restart.
#include "allocators/config.h"

#include <cstdlib>
#include <thread>
#include <vector>

#include "allocators/base/words.h"
#include "tests/support/catch.h"

using namespace sqlitemem;

namespace {

const OptionSpec& spec_of(std::string_view name) {
  for (const OptionSpec& spec : options) {
    if (spec.name == name) return spec;
  }
  FAIL("no such option");
  return options[0];
}

SetResult set(std::string_view name, std::string_view text) {
  return set_option(name, text, OptionSource::api).result;
}

std::string setting(std::string_view name) { return option_state(spec_of(name)).setting; }

int notifications = 0;

}  // namespace

TEST_CASE("config: sizes are read in every usual spelling", "[config]") {
  struct Example {
    const char* text;
    std::int64_t bytes;
  };
  for (const Example& example : std::vector<Example>{{"67108864", 67108864},
                                                     {"64MB", 67108864},
                                                     {"64 MB", 67108864},
                                                     {"64mb", 67108864},
                                                     {" 64MiB ", 67108864},
                                                     {"65536kB", 67108864},
                                                     {"1GB", 1 << 30},
                                                     {"1.5GB", 1610612736},
                                                     {"2TB", std::int64_t{2} << 40},
                                                     {"512B", 512},
                                                     {"0", 0},
                                                     {"0.5kB", 512},
                                                     {"67108864.0", 67108864},
                                                     {"64\tMB\r\n", 67108864},
                                                     {"+5kB", 5120}}) {
    CAPTURE(example.text);
    CHECK(set("memory_limit", example.text) == SetResult::ok);
    CHECK(option(&Config::memory_limit) == example.bytes);
  }
}

TEST_CASE("config: what is not a size is refused in words and changes nothing", "[config]") {
  REQUIRE(set("memory_limit", "64MB") == SetResult::ok);
  for (const char* text : {"",        " ",     "MB",      "64XB", "64 M B", "0x10", "1.5", "1e6",
                           "1.0e+20", "1E3MB", "12..5kB", "--1",  "+-1",    "-",    ".",   "1_000",
                           "1,000",   "ten",   "NULL",    "nan",  "inf",    "64%",  "5s"}) {
    CAPTURE(text);
    const SetOutcome outcome = set_option("memory_limit", text, OptionSource::api);
    CHECK(outcome.result == SetResult::bad_value);
    CHECK_THAT(outcome.message, Catch::Contains("memory_limit") && Catch::Contains("64MB"));
  }
  CHECK(setting("memory_limit") == "64MB");
}

TEST_CASE("config: times are read with their units", "[config]") {
  CHECK(set("purge_delay", "2s") == SetResult::ok);
  CHECK(option(&Config::purge_delay) == 2000);
  CHECK(set("purge_delay", "1min") == SetResult::ok);
  CHECK(setting("purge_delay") == "1min");
  CHECK(set("purge_delay", "1500") == SetResult::ok);
  CHECK(setting("purge_delay") == "1500ms");
  CHECK(set("purge_delay", "0") == SetResult::ok);
  CHECK(setting("purge_delay") == "0");
  CHECK(set("purge_delay", "5kB") == SetResult::bad_value);
  struct Example {
    const char* text;
    const char* shown;
  };
  for (const Example& example : std::vector<Example>{{"2 minutes", "2min"},
                                                     {"1 Minute", "1min"},
                                                     {"1.5 s", "1500ms"},
                                                     {"90 seconds", "90s"},
                                                     {"0.5 hour", "30min"},
                                                     {"250 milliseconds", "250ms"},
                                                     {"2 days", "48h"},
                                                     {"7d", "168h"}}) {
    CAPTURE(example.text);
    CHECK(set("orphan_idle_time", example.text) == SetResult::ok);
    CHECK(setting("orphan_idle_time") == example.shown);
  }
  // Neither is a minute to everybody.
  CHECK(set("orphan_idle_time", "2m") == SetResult::bad_value);
  CHECK(set("orphan_idle_time", "2 months") == SetResult::bad_value);
}

TEST_CASE("config: shares are read and shown in percent", "[config]") {
  const OptionSpec& spec = spec_of("large_object_retain");
  REQUIRE(spec.type == OptionType::percent);
  CHECK(option_state(spec).boot_val == "17%");
  struct Example {
    const char* text;
    std::int64_t percent;
  };
  for (const Example& example : std::vector<Example>{{"70%", 70},
                                                     {"70", 70},  // As when it was a count.
                                                     {" 70 % ", 70},
                                                     {"70 percent", 70},
                                                     {"70.0", 70},
                                                     {"+5%", 5},
                                                     {"007%", 7},
                                                     {"0", 0},
                                                     {"-0%", 0},
                                                     {"400%", 400}}) {
    CAPTURE(example.text);
    CHECK(set(spec.name, example.text) == SetResult::ok);
    CHECK(option(&Config::large_object_retain) == example.percent);
    CHECK(setting(spec.name) == std::to_string(example.percent) + "%");
  }
}

TEST_CASE("config: what is not a share is refused in words and changes nothing", "[config]") {
  REQUIRE(set("large_object_retain", "30%") == SetResult::ok);
  for (const char* text : {"", "%", "0.7", "70.5%", "1e2", "7 0%", "70%%", "%70", "70MB", "70s",
                           "all", "70 per cent"}) {
    CAPTURE(text);
    const SetOutcome outcome = set_option("large_object_retain", text, OptionSource::api);
    CHECK(outcome.result == SetResult::bad_value);
    CHECK_THAT(outcome.message, Catch::EndsWith(" is not a value for large_object_retain: expected "
                                                "a whole percentage such as 70% or 70"));
  }
  for (const char* text : {"401%", "-1%", "-1", "99999999999999999999999999999999%"}) {
    CAPTURE(text);
    const SetOutcome outcome = set_option("large_object_retain", text, OptionSource::api);
    CHECK(outcome.result == SetResult::out_of_range);
    CHECK(outcome.message ==
          quoted(text) + " is outside the range of large_object_retain: 0% to 400%");
  }
  CHECK(setting("large_object_retain") == "30%");
}

TEST_CASE("config: the environment sets shares and times as SQL does", "[config]") {
  ::setenv("SQLITEMEM_LARGE_OBJECT_RETAIN", "25%", 1);
  ::setenv("SQLITEMEM_PURGE_DELAY", "2 minutes", 1);
  ::setenv("SQLITEMEM_MEMORY_LIMIT", "1.5 GB", 1);
  ::setenv("SQLITEMEM_ORPHAN_IDLE_TIME", "", 1);
  ::setenv("SQLITEMEM_LEARNED_CLASSES", "-1", 1);
  ::setenv("SQLITEMEM_PLAN_CACHE_MAX_BYTES", "1e9", 1);
  std::string problems;
  read_environment(&problems);
  CHECK(setting("large_object_retain") == "25%");
  CHECK(setting("purge_delay") == "2min");
  CHECK(setting("memory_limit") == "1536MB");
  CHECK(problems ==
        "SQLITEMEM_LEARNED_CLASSES: '-1' is outside the range of learned_classes: 0 to 8\n"
        "SQLITEMEM_PLAN_CACHE_MAX_BYTES: '1e9' is not a value for plan_cache_max_bytes: expected "
        "bytes or a size such as 512kB, 64MB, 1GB\n"
        "SQLITEMEM_ORPHAN_IDLE_TIME: '' is not a value for orphan_idle_time: expected milliseconds "
        "or a time such as 500ms, 2s, 1min\n");
  for (const char* name : {"learned_classes", "plan_cache_max_bytes", "orphan_idle_time"}) {
    CAPTURE(name);
    CHECK(option_state(spec_of(name)).source == OptionSource::boot);
  }
}

TEST_CASE("config: counts take no unit", "[config]") {
  CHECK(set("lock_entry_magazine", "64") == SetResult::ok);
  CHECK(option(&Config::lock_entry_magazine) == 64);
  CHECK(set("lock_entry_magazine", "64.0") == SetResult::ok);  // A REAL of SQL.
  for (const char* text : {"64MB", "64%", "64.5", "6e1", "64 magazines"}) {
    CAPTURE(text);
    CHECK(set("lock_entry_magazine", text) == SetResult::bad_value);
  }
}

TEST_CASE("config: values outside the range are refused with the range", "[config]") {
  const SetOutcome low = set_option("small_row_magazine", "1", OptionSource::api);
  CHECK(low.result == SetResult::out_of_range);
  CHECK_THAT(low.message, Catch::Contains("2 to 1024"));
  CHECK(set("small_row_magazine", "1025") == SetResult::out_of_range);
  CHECK(set("memory_limit", "-1") == SetResult::out_of_range);
  CHECK(set("memory_limit", "999999999999999999999999999999") == SetResult::out_of_range);
  CHECK(set("memory_limit", "9223372036854775807GB") == SetResult::out_of_range);
  CHECK_THAT(set_option("purge_delay", "2h", OptionSource::api).message,
             Catch::Contains("0 to 1h"));
}

TEST_CASE("config: every option takes its own limits, default and choices back", "[config]") {
  for (const OptionSpec& spec : options) {
    CAPTURE(spec.name);
    for (const std::int64_t value : {spec.min, spec.max}) {
      const std::string text = format_option(spec, value);
      CAPTURE(text);
      CHECK(set_option(spec.name, text, OptionSource::api).result == SetResult::ok);
      CHECK(option(spec.value) == value);
      CHECK(option_state(spec).setting == text);
    }
    CHECK(set_option(spec.name, option_state(spec).boot_val, OptionSource::api).result ==
          SetResult::ok);
    CHECK(option(spec.value) >= spec.min);
    CHECK(option(spec.value) <= spec.max);
    for (const std::string_view choice : spec.choices) {
      CHECK(set_option(spec.name, choice, OptionSource::api).result == SetResult::ok);
      CHECK(option_state(spec).setting == choice);
    }
  }
}

TEST_CASE("config: an unknown name is answered with the nearest ones", "[config]") {
  const SetOutcome outcome = set_option("memroy_limit", "1MB", OptionSource::api);
  CHECK(outcome.result == SetResult::unknown_name);
  CHECK_THAT(outcome.message,
             Catch::Contains("'memroy_limit'") && Catch::Contains("'memory_limit'"));
  CHECK_THAT(set_option("strategy", "x", OptionSource::api).message,
             Catch::Contains("'allocation_strategy'"));
  CHECK_THAT(set_option("MEMORY_LIMIT", "x", OptionSource::api).message,
             Catch::Contains("'memory_limit'"));
  CHECK(set("", "1") == SetResult::unknown_name);
  CHECK(set(std::string(5000, 'x'), "1") == SetResult::unknown_name);
}

TEST_CASE("config: a name far from all was answered with nonsense", "[config]") {
  const SetOutcome outcome = set_option("frobnicate", "1", OptionSource::api);
  CHECK(outcome.message == "unknown option 'frobnicate'; the table memory_config lists them all");
  const std::string long_name(5000, 'x');
  CHECK(set_option(long_name, "1", OptionSource::api).message.size() < 200);
}

TEST_CASE("config: a NUL in a value cut the message", "[config]") {
  const std::string value("64\0MB\n\xC3\xA4", 8);
  CHECK_THAT(set_option("memory_limit", value, OptionSource::api).message,
             Catch::StartsWith("'64\\x00MB\\x0a\xC3\xA4' is not a value for memory_limit: "));
}

TEST_CASE("config: a misspelt variable of the environment was not noticed", "[config]") {
  ::setenv("SQLITEMEM_MEMORY_LIMT", "32MB", 1);
  std::string problems;
  read_environment(&problems);
  CHECK_THAT(problems, Catch::Contains("SQLITEMEM_MEMORY_LIMT: unknown option 'memory_limt'; the "
                                       "nearest: 'memory_limit'\n"));
}

TEST_CASE("config: choices are read in any case, switches also as numbers", "[config]") {
  CHECK(set("allocation_strategy", "First_Fit") == SetResult::ok);
  CHECK(option_as<AllocationStrategy>(&Config::allocation_strategy) ==
        AllocationStrategy::first_fit);
  CHECK(set("huge_pages", "1") == SetResult::ok);
  CHECK(setting("huge_pages") == "on");
  CHECK(set("huge_pages", "FALSE") == SetResult::ok);
  CHECK(setting("huge_pages") == "off");
  const SetOutcome outcome = set_option("allocation_strategy", "next_fit", OptionSource::api);
  CHECK(outcome.result == SetResult::bad_value);
  CHECK_THAT(outcome.message, Catch::Contains("best_fit, first_fit, worst_fit"));
}

TEST_CASE("config: the state says who set an option", "[config]") {
  const OptionSpec& spec = spec_of("learned_classes");
  CHECK(option_state(spec).source == OptionSource::boot);
  REQUIRE(set_option(spec.name, "3", OptionSource::sql).result == SetResult::ok);
  CHECK(option_state(spec).source == OptionSource::sql);
  CHECK(option_state(spec).boot_val == "8");
  CHECK(option_state(spec).setting == "3");
}

TEST_CASE("config: the environment sets options, and its mistakes are described", "[config]") {
  ::setenv("SQLITEMEM_MEMORY_LIMIT", "32MB", 1);
  ::setenv("SQLITEMEM_HUGE_PAGES", "perhaps", 1);
  ::setenv("SQLITEMEM_LEARNED_CLASSES", "9", 1);
  std::string problems;
  read_environment(&problems);
  CHECK(setting("memory_limit") == "32MB");
  CHECK(option_state(spec_of("memory_limit")).source == OptionSource::environment);
  CHECK(setting("huge_pages") == "off");
  CHECK(setting("learned_classes") == "8");
  CHECK_THAT(problems, Catch::Contains("SQLITEMEM_HUGE_PAGES: ") &&
                           Catch::Contains("SQLITEMEM_LEARNED_CLASSES: "));
  CHECK_THAT(problems, !Catch::Contains("SQLITEMEM_MEMORY_LIMIT:"));
  read_environment(nullptr);  // Nobody to tell is no reason to fail.

  REQUIRE(set_option("memory_limit", "8MB", OptionSource::sql).result == SetResult::ok);
  read_environment(nullptr);
  CHECK(setting("memory_limit") == "8MB");
}

TEST_CASE("config: a start-up option after the start waits, and says so", "[config]") {
  REQUIRE(set("region_size", "32GB") == SetResult::ok);
  CHECK(setting("region_size") == "32GB");
  mark_started();
  const SetOutcome outcome = set_option("region_size", "16GB", OptionSource::sql);
  CHECK(outcome.result == SetResult::pending_restart);
  CHECK_THAT(outcome.message,
             Catch::Contains("next start") && Catch::Contains("SQLITEMEM_REGION_SIZE=16GB"));
  const OptionSpec& spec = spec_of("region_size");
  CHECK(option_state(spec).setting == "32GB");
  CHECK(option_state(spec).pending_restart);
  CHECK(option_state(spec).pending_setting == "16GB");
  CHECK(option_state(spec).source == OptionSource::api);

  CHECK(set("region_size", "32GB") == SetResult::ok);  // Back to what is in force.
  CHECK_FALSE(option_state(spec).pending_restart);
  CHECK_FALSE(option_state(spec).pending_setting.has_value());
  CHECK(set("region_size", "1kB") == SetResult::out_of_range);
}

TEST_CASE("config: the listener hears of changes, not of refusals", "[config]") {
  notifications = 0;
  const auto listener = []() noexcept { ++notifications; };
  add_config_listener(listener);
  add_config_listener(listener);  // Again is harmless.
  CHECK(set("memory_limit", "1MB") == SetResult::ok);
  CHECK(notifications == 1);
  CHECK(set("memory_limit", "one") == SetResult::bad_value);
  CHECK(notifications == 1);
}

TEST_CASE("config: threads may set and read at once", "[config]") {
  std::vector<std::thread> threads;
  for (int worker = 0; worker < 4; ++worker) {
    threads.emplace_back([worker] {
      for (int step = 0; step < 500; ++step) {
        set_option("memory_limit", worker % 2 == 0 ? "1MB" : "2MB", OptionSource::api);
        option_state(options[0]);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string last = setting("memory_limit");
  CHECK((last == "1MB" || last == "2MB"));
}

TEST_CASE("config: every description is a sentence", "[config]") {
  for (const OptionSpec& spec : options) {
    CAPTURE(spec.name);
    CHECK(spec.short_desc.ends_with('.'));
    CHECK_FALSE(spec.category.empty());
  }
}
