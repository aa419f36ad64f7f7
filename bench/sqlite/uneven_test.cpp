// Eight connections that want different things, at different rates; what is counted are misses.
#include <array>
#include <cinttypes>
#include <cstdlib>
#include <deque>
#include <string>

#include "bench/sqlite/database.h"
#include "bench/sqlite/tests.h"
#include "bench/sqlite/uneven.h"
#include "bench/sqlite/work_file.h"
#include "bench/sqlite/zipf.h"

namespace sqlitemem::bench {
namespace {

enum class Habit { by_id, by_name, both, ranges, scans };

struct Client {
  std::uint32_t rate;  ///< Its share of the operations.
  Habit habit;
  std::uint32_t first;  ///< Of the rows that it reads.
  std::uint32_t rows;
};

/// The busiest does 36 times as much as the quietest.
constexpr std::array<Client, uneven_connections> clients{{
    {36, Habit::both, 0, 400'000},
    {18, Habit::by_id, 100'000, 200'000},
    {9, Habit::by_name, 0, 400'000},
    {6, Habit::ranges, 0, 400'000},
    {4, Habit::both, 200'000, 100'000},
    {2, Habit::by_id, 0, 50'000},
    {1, Habit::scans, 0, 400'000},
    {1, Habit::both, 350'000, 20'000},
}};

class Connection {
 public:
  Connection(const Client& client, std::uint32_t number)
      : client_(client),
        keys_(client.rows),
        random_(number + 1),
        database_(WorkFile::path()),
        by_id_(database_, "SELECT id, body FROM item WHERE id=?1"),
        by_name_(database_, "SELECT id, body FROM item WHERE name=?1"),
        range_(database_, "SELECT count(*), max(body) FROM item WHERE id BETWEEN ?1 AND ?1+99"),
        scan_(database_, "SELECT count(*), max(body) FROM item WHERE id BETWEEN ?1 AND ?1+49999") {}

  void set_cache_size(std::uint64_t pages) {
    database_.execute(("PRAGMA cache_size=" + std::to_string(pages)).c_str());
  }
  void work(AnswerHash& hash) {
    const std::uint32_t key = client_.first + keys_.draw(random_);
    ++operations_;
    switch (client_.habit) {
      case Habit::by_id:
        return by_id_.bind(1, std::int64_t{key}).run(hash);
      case Habit::by_name:
        return by_name_.bind(1, name_of_row(key)).run(hash);
      case Habit::both:
        if (operations_ % 2 == 0) return by_id_.bind(1, std::int64_t{key}).run(hash);
        return by_name_.bind(1, name_of_row(key)).run(hash);
      case Habit::ranges:
        return range_.bind(1, std::int64_t{key}).run(hash);
      case Habit::scans:  // Now and then an eighth of the table; else points.
        if (operations_ % 400 == 0) {
          scans_ = (scans_ + 1) % 8;
          return scan_.bind(1, std::int64_t{scans_} * 50'000 + 1).run(hash);
        }
        return by_id_.bind(1, std::int64_t{key}).run(hash);
    }
  }
  [[nodiscard]] int status(int counter) const {
    int value = 0, highest = 0;
    sqlite3_db_status(database_.handle(), counter, &value, &highest, 0);
    return value;
  }
  [[nodiscard]] int misses() const { return status(SQLITE_DBSTATUS_CACHE_MISS); }
  [[nodiscard]] int hits() const { return status(SQLITE_DBSTATUS_CACHE_HIT); }

 private:
  const Client& client_;
  ZipfKeys keys_;
  Random random_;
  Database database_;
  Statement by_id_, by_name_, range_, scan_;
  std::uint32_t operations_ = 0, scans_ = 0;
};

/// Who is next, in proportion to the rates.
std::size_t choose(Random& random) {
  std::uint32_t all = 0;
  for (const Client& client : clients) all += client.rate;
  std::uint32_t at = random.below(all);
  std::size_t index = 0;
  while (at >= clients[index].rate) at -= clients[index++].rate;
  return index;
}

}  // namespace

void test_uneven(const SqliteRun& run) {
  std::deque<Connection> connections;
  const char* pages = std::getenv(uneven_pages_variable);
  for (std::uint32_t i = 0; i < clients.size(); ++i) {
    connections.emplace_back(clients[i], i);
    if (pages != nullptr) connections.back().set_cache_size(std::strtoull(pages, nullptr, 10));
  }
  AnswerHash hash;
  Random random(8);
  const std::uint32_t operations = run.scaled(1'000'000);
  int before = 0;
  for (std::uint32_t i = 0; i < operations; ++i) {
    connections[choose(random)].work(hash);
    if (i != operations / 2) continue;
    for (const Connection& connection : connections) before += connection.misses();
  }
  const std::string name(run.name);
  int misses = 0;
  for (std::size_t i = 0; i < connections.size(); ++i) {
    const Connection& connection = connections[i];
    misses += connection.misses();
    emit(name + "_hit_percent_" + std::to_string(i + 1),
         100.0 * connection.hits() / (connection.hits() + connection.misses()));
  }
  emit(name, misses);
  emit(name + "_second_half", misses - before);
  std::printf("answers %016" PRIx64 "\n", hash.value());
}

}  // namespace sqlitemem::bench
