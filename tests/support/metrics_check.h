// Reads metric texts as a scraper would, and says what is wrong with them.
#pragma once

#include <cctype>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>
#include <string>

namespace sqlitemem::tests {

/// Checks one exposition. problem() is empty if all is well; samples() are the series with their
/// values.
class MetricsCheck {
 public:
  MetricsCheck(const std::string& text, bool is_openmetrics) : is_open_(is_openmetrics) {
    if (!text.ends_with('\n')) complain("does not end with a line feed", "");
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) read_line(line);
    if (is_open_ && !saw_end_) complain("no # EOF", "");
  }
  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] const std::map<std::string, double>& samples() const { return samples_; }

 private:
  void complain(const std::string& what, const std::string& line) {
    if (problem_.empty()) problem_ = what + ": " + line;
  }

  static bool is_name(const std::string& name) {
    if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0]))) return false;
    for (const char letter : name) {
      if (!std::isalnum(static_cast<unsigned char>(letter)) && letter != '_') return false;
    }
    return true;
  }

  void read_line(const std::string& line) {
    if (saw_end_) return complain("text after # EOF", line);
    if (line == "# EOF" && is_open_) {
      saw_end_ = true;
    } else if (line.starts_with("# ")) {
      read_comment(line);
    } else {
      read_sample(line);
    }
  }

  void read_comment(const std::string& line) {
    std::istringstream words(line);
    std::string hash, keyword, name, rest;
    words >> hash >> keyword >> name;
    std::getline(words, rest);
    if (!is_name(name) || !name.starts_with("sqlitemem_")) complain("bad family name", line);
    if (keyword == "HELP") {
      if (!helped_.insert(name).second) complain("HELP twice", line);
      if (rest.size() < 3 || !rest.ends_with('.')) complain("HELP is no sentence", line);
      family_ = name;
      type_.clear();
    } else if (keyword == "TYPE") {
      if (!typed_.insert(name).second) complain("TYPE twice", line);
      if (name != family_) complain("TYPE without its HELP", line);
      type_ = rest.substr(1);
      const bool is_stateset = type_ == "stateset" && is_open_;
      if (type_ != "gauge" && type_ != "counter" && !is_stateset) complain("unknown type", line);
      if (type_ == "counter" && name.ends_with("_total") == is_open_) {
        complain("_total belongs to the sample in OpenMetrics, to the family before", line);
      }
    } else if (keyword == "UNIT" && is_open_) {
      if (!name.ends_with("_" + rest.substr(1))) complain("name does not end with unit", line);
    } else {
      complain("unknown comment", line);
    }
  }

  /// Consumes {name="value",…} at `at`; the closing brace is consumed too.
  bool read_labels(const std::string& line, std::size_t& at) {
    std::set<std::string> names;
    for (++at;; ++at) {
      const std::size_t equals = line.find("=\"", at);
      if (equals == std::string::npos) return false;
      const std::string name = line.substr(at, equals - at);
      if (!is_name(name) || !names.insert(name).second) return false;
      for (at = equals + 2; at < line.size() && line[at] != '"'; ++at) {
        if (line[at] != '\\') continue;
        ++at;
        if (at >= line.size() || std::string("\\\"n").find(line[at]) == std::string::npos) {
          return false;
        }
      }
      if (++at >= line.size()) return false;
      if (line[at] == '}') return ++at, true;
      if (line[at] != ',') return false;
    }
  }

  void read_sample(const std::string& line) {
    std::size_t at = line.find_first_of("{ ");
    if (at == std::string::npos) return complain("no value", line);
    const std::string name = line.substr(0, at);
    const std::string expected = is_open_ && type_ == "counter" ? family_ + "_total" : family_;
    if (name != expected || type_.empty()) complain("sample outside its family", line);
    if (type_ == "counter" && !name.ends_with("_total")) complain("counter without _total", line);
    if (line[at] == '{' && !read_labels(line, at)) return complain("bad labels", line);
    const std::string series = line.substr(0, at);
    char* end = nullptr;
    const double value = std::strtod(line.c_str() + at, &end);
    // OpenMetrics 1.0: a state is a label with the family's name, and 1 or 0.
    if (type_ == "stateset" &&
        (series.find(family_ + "=\"") == std::string::npos || (value != 0 && value != 1))) {
      complain("no state", line);
    }
    if (line[at] != ' ' || end != line.c_str() + line.size()) complain("bad value", line);
    if (!samples_.emplace(series, value).second) complain("series twice", line);
  }

  bool is_open_ = false, saw_end_ = false;
  std::string problem_, family_, type_;
  std::set<std::string> helped_, typed_;
  std::map<std::string, double> samples_;
};

}  // namespace sqlitemem::tests
