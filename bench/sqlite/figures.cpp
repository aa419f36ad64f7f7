// THE place to add or change a target of sqlite_bench: one line each.
#include "bench/sqlite/figures.h"

namespace sqlitemem::bench {

std::vector<Figure> sqlite_figures() {
  using enum Comparison;
  const std::vector<std::string_view> stock = {"stock"}, managed = {"managed"};
  const auto ours = "managed";
  const auto more = Better::higher;
  // clang-format off
  return {
      {"sqlite3_malloc + free, times stock's speed", "malloc_pair", ours, times_better, 3.0, stock},
      {"OLTP, 2 threads, times stock", "oltp_2_threads", ours, times_better, 5.0, stock, more},
      {"OLTP, 2 threads, times our 1 thread", "oltp_2_threads", ours, times_better, 1.85, managed,
       more, "oltp_1_thread"},
      {"open_transactions of 1000 connections, ms", "open_transactions_ms", ours, at_most, 2.0},
      {"speed mix in memory, CPU ms", "mix_memory", ours, ratio, 0.96, stock},
      {"speed mix in a file, CPU ms", "mix_file", ours, ratio, 0.96, stock},
      {"speed mix in memory, peak RSS MiB", "mix_memory_peak_mib", ours, ratio, 1.05, stock},
      {"speed mix in a file, peak RSS MiB", "mix_file_peak_mib", ours, ratio, 1.05, stock},
      {"zipf reads of 200 MB, times stock", "zipf_reads", ours, times_better, 1.4, stock, more},
      {"zipf reads in one transaction, times stock", "zipf_reads_in_transaction", ours,
       times_better, 1.4, stock, more},
      {"zipf reads, times stock with cache_size for all", "zipf_reads", ours, times_better, 1.0,
       stock, more, "zipf_tuned"},
      {"in one transaction, times stock with cache for all", "zipf_reads_in_transaction", ours,
       times_better, 1.0, stock, more, "zipf_tuned_in_transaction"},
      {"8 uneven connections, 10 % of the pages: misses", "uneven_10", ours, ratio, 0.8, stock},
      {"8 uneven connections, 50 % of the pages: misses", "uneven_50", ours, ratio, 0.6, stock},
      {"worst loss of a connection at 10 %, points", "uneven_10_worst_loss", ours, at_most, 2.0},
      {"worst loss of a connection at 50 %, points", "uneven_50_worst_loss", ours, at_most, 2.0},
      {"loaded, observing: speed mix, CPU ms", "mix_memory", "observing", within_noise, 0, stock},
      {"preloaded, start of `true`, wall µs", "start_true_us", ours, within_noise, 0, stock},
      {"preloaded, start of the shell, wall µs", "start_shell_us", ours, within_noise, 0, stock},
  };
  // clang-format on
}

}  // namespace sqlitemem::bench
