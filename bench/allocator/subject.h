// The allocators that are compared, each reduced to four functions that are called in the same way.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "bench/allocator/heap_module.h"

namespace sqlitemem::bench {

/// An allocator in a worker process. Tests copy the pointers into locals: one indirect call each.
struct Subject {
  std::string_view name;
  void* (*allocate)(std::size_t bytes) = nullptr;
  void (*release)(void* block) = nullptr;
  void* (*resize)(void* block, std::size_t bytes) = nullptr;
  void (*purge)() = nullptr;          ///< The allocator's own call for giving free memory back.
  LargeFigures (*large)() = nullptr;  ///< Ours only.
};

/// How the driver starts a worker for a subject.
struct SubjectSpec {
  std::string_view name;
  std::string_view preload;         ///< Soname for LD_PRELOAD; empty: none.
  std::string_view debian_package;  ///< Where it comes from, for the message when it is missing.
  std::string_view module;  ///< Path of our module; empty: the process's malloc is the subject.
};

inline constexpr std::string_view ours = "sqlitemem";
inline constexpr std::string_view ours_without_statistics = "sqlitemem_no_statistics";

std::span<const SubjectSpec> all_subjects();

/// In a worker: finds the functions and makes sure that they are those of the named allocator.
/// Exits with exit_subject_missing if it is not here, because LD_PRELOAD of a missing file is only
/// a warning.
Subject load_subject(std::string_view name);

}  // namespace sqlitemem::bench
