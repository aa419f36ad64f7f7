// All samples of one run: test and subject (the allocator or library under test) to a list of
// values.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sqlitemem::bench {

class Measurements {
 public:
  void add(std::string_view test, std::string_view subject, double value);

  /// Parses the lines "name value" that a worker prints, and adds them all. False if a line is
  /// unreadable.
  bool add_lines(std::string_view subject, std::string_view text);

  /// nullopt: this subject was not measured in this test.
  [[nodiscard]] std::optional<double> median(std::string_view test, std::string_view subject) const;
  [[nodiscard]] std::optional<double> minimum(std::string_view test,
                                              std::string_view subject) const;
  [[nodiscard]] std::optional<double> maximum(std::string_view test,
                                              std::string_view subject) const;
  /// Half the samples lie within this range; what a difference has to exceed to mean anything.
  [[nodiscard]] std::optional<double> interquartile_range(std::string_view test,
                                                          std::string_view subject) const;

  [[nodiscard]] const std::vector<std::string>& tests() const {
    return tests_;
  }  ///< First seen first.
  [[nodiscard]] const std::vector<std::string>& subjects() const { return subjects_; }
  [[nodiscard]] std::size_t rounds(std::string_view test, std::string_view subject) const;

 private:
  using Key = std::pair<std::string, std::string>;
  [[nodiscard]] std::vector<double> sorted(std::string_view test, std::string_view subject) const;

  std::map<Key, std::vector<double>> samples_;
  std::vector<std::string> tests_, subjects_;
};

}  // namespace sqlitemem::bench
