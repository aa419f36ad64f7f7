// The workloads of plan_bench: prepare, bind, step and finalize, over and over.
#pragma once

#include <array>
#include <string_view>

namespace sqlitemem::bench {

/// Prints one value per measurement. `effort`: 1, or a tenth for a glance.
struct PlanTest {
  std::string_view name;
  void (*run)(std::string_view name, double effort);
};

void test_point_select(std::string_view name, double effort);
void test_insert(std::string_view name, double effort);
void test_update(std::string_view name, double effort);
void test_join(std::string_view name, double effort);
void test_never_repeating(std::string_view name, double effort);
void test_exec(std::string_view name, double effort);
void test_scan(std::string_view name, double effort);
void test_two_threads(std::string_view name, double effort);

inline constexpr std::array<PlanTest, 8> plan_tests{{
    {"point_select", test_point_select},
    {"insert", test_insert},
    {"update", test_update},
    {"join", test_join},
    {"never_repeating", test_never_repeating},
    {"exec", test_exec},
    {"scan_row", test_scan},
    {"two_threads", test_two_threads},
}};

}  // namespace sqlitemem::bench
