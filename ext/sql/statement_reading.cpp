// Finds the running statement's reading, or begins one.
#include "ext/sql/statement_reading.h"

#include <utility>
SQLITE_EXTENSION_INIT3

namespace sqlitemem::ext {

std::shared_ptr<StatementReading> StatementReadings::of_running_statement() {
  std::erase_if(known_, [](const Known& known) { return known.reading.expired(); });
  RunningStatement running = running_statement(db_);
  for (const Known& known : known_) {
    if (known.statement == running) return known.reading.lock();
  }
  auto reading = std::make_shared<StatementReading>(db_);
  if (!running.empty()) known_.push_back({std::move(running), reading});
  return reading;
}

}  // namespace sqlitemem::ext
