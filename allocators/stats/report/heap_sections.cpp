// The heap in the report: its size classes, and a picture of how full its areas are.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "allocators/stats/report/report_sections.h"

namespace sqlitemem::stats::report {
namespace {

constexpr std::size_t most_classes = 6;
constexpr std::size_t map_indent = 4;

std::string magazine_hits_of(const std::vector<SlabAllocatorStatsRow>& classes) {
  double hits = 0, calls = 0;
  for (const SlabAllocatorStatsRow& row : classes) {
    hits += static_cast<double>(row.magazine_hits);
    calls += static_cast<double>(row.allocations) + static_cast<double>(row.frees);
  }
  return calls > 0 ? "; magazines serve " + human_percent(hits / calls) + " of the calls" : "";
}

/// The sign of a cell of `bytes` bytes.
std::string_view shade_of(const FillCell& cell, std::uint64_t bytes, const Signs& signs) {
  if (cell.used_bytes == 0 && cell.held_bytes == 0) return signs.not_held;
  const double used = ratio(cell.used_bytes, bytes).value_or(0);
  const auto quarter = static_cast<std::size_t>(std::clamp(used * 4, 0.0, 3.0));
  return signs.shades.at(quarter);
}

void draw_area(Page& page, const AreaFill& area) {
  const FillMap map = area.map.with_at_most(page.width() - map_indent);
  const FillCell sum = map.sum();
  page.line(fmt::format(
      "  {:<6} {} held, {} of it used; a sign is {}", area.area, human_bytes(sum.held_bytes),
      human_percent(ratio(sum.used_bytes, sum.held_bytes)), human_bytes(map.cell_bytes())));
  std::string picture(map_indent, ' ');
  for (std::size_t index = 0; index < map.cells().size(); ++index) {
    const std::uint64_t begin = index * map.cell_bytes();
    picture += shade_of(map.cells()[index], std::min(map.cell_bytes(), map.span_bytes() - begin),
                        page.signs());
  }
  page.line(picture);
}

/// The verdict on the heap as a whole.
std::string verdict_of(const std::vector<FragmentationStatsRow>& rows) {
  const auto heap = std::ranges::find(rows, "heap", &FragmentationStatsRow::component);
  if (heap == rows.end() || !heap->status) return {};
  std::string text = *heap->status == "Small" ? "too small to judge" : *heap->status;
  if (heap->fragmentation_ratio && heap->waste_bytes)
    text += fmt::format(", {} lost in the heap ({})", human_bytes(*heap->waste_bytes),
                        human_percent(*heap->fragmentation_ratio));
  return text;
}

}  // namespace

void draw_classes(Page& page, const ReportFigures& figures) {
  std::vector<const SlabAllocatorStatsRow*> classes;
  for (const SlabAllocatorStatsRow& row : figures.classes) {
    if (row.reserved_bytes != 0) classes.push_back(&row);
  }
  if (classes.empty()) {
    if (figures.heap_note.empty()) return;
    page.heading("SIZE CLASSES");
    return page.paragraph("  ", "Not measurable here. " + figures.heap_note);
  }
  std::ranges::stable_sort(classes, std::greater{}, [](const auto* row) {
    return std::pair(row->reserved_bytes, row->live_bytes);
  });
  const std::size_t shown = std::min(classes.size(), most_classes);
  page.heading("SIZE CLASSES", fmt::format("{} of {} by memory held{}", shown, classes.size(),
                                           magazine_hits_of(figures.classes)));
  Grid grid({{"bytes"},
             {"live"},
             {"cached", true, 1},
             {"free", true, 1},
             {"held", true, 2},
             {"", false, 4},
             {"used"},
             {"typical of", false, 3}});
  for (std::size_t index = 0; index < shown; ++index) {
    const SlabAllocatorStatsRow& row = *classes[index];
    grid.add({fmt::format("{}", row.size_class), human_count(row.live_objects),
              human_count(row.cached_objects), human_count(row.free_objects),
              human_bytes(row.reserved_bytes),
              bar(row.utilization_ratio.value_or(0), bar_width(page) / 2, page.charset()),
              human_percent(row.utilization_ratio), presentable(row.purpose, page.charset())});
  }
  grid.draw(page);
}

void draw_fill_maps(Page& page, const ReportFigures& figures) {
  const auto is_drawn = [](const AreaFill& area) { return !area.map.cells().empty(); };
  if (std::ranges::none_of(figures.areas, is_drawn)) return;
  const Signs& signs = page.signs();
  page.heading("FRAGMENTATION", verdict_of(figures.fragmentation));
  page.line(fmt::format("  {} not held  {} up to 25 % used  {} 50 %  {} 75 %  {} more",
                        signs.not_held, signs.shades[0], signs.shades[1], signs.shades[2],
                        signs.shades[3]));
  for (const AreaFill& area : figures.areas) {
    if (is_drawn(area)) draw_area(page, area);
  }
}

}  // namespace sqlitemem::stats::report
