// Puts docs/doctor.md together: how to ask, and every code from the tables in the code.
#include "docs/doctor_page.h"

#include "allocators/stats/doctor_rows.h"

namespace sqlitemem::docs {

std::string doctor_page() {
  return R"(# The doctor, alerts and leak suspects

Generated from the rules in the code by `sqlitemem_reference docs/doctor.md`: change them there.

Three tables say what is wrong, and [reference.md](reference.md) has their columns:

```sql
SELECT severity, code, evidence, advice, fix_sql FROM memory_doctor();  -- what is wrong now
SELECT code, subject, raised_at, cleared_at, message FROM memory_alerts('warning');  -- what was
SELECT kind, subject, live_bytes, growth_bytes_per_hour, evidence FROM leak_suspects();
```

**memory_doctor()** looks at everything that the other tables show, and gives a row for each
condition that holds at this moment, the gravest first: at most three of one kind. Each row has the
numbers that made it appear. What cannot be measured in this process gives no row: in observing mode
there is no verdict on the heap. `fix_sql` is a statement that you can run as it is; where it is
NULL, only the program or its start can change things. A rule of which only the severity is `info`
is worth knowing, and no reason to act. A process in which SQLite uses less than 1 MB gets the row
`too_small` in place of verdicts on sizes and shares.

**memory_alerts()** remembers. An alert is raised once when its condition begins, keeps that time,
and is cleared once when it ends, at a threshold a little apart, so that a value on the edge does
not raise it again and again. Connections, files and parts of memory have alerts of their own. The
table is brought up to date whenever it is read; usage, refusals, growth and the forecast are also
looked at by the sampler of memory pressure, where it runs. Refusals within a minute of each other
are one alert, with the largest request.

**leak_suspects()** names what may never be freed. It knows six kinds:

| kind | what was seen |
|---|---|
| `heap` | the troughs of the memory in use rise through all of the sampled history |
| `size_class` | a size class grew from one `memory_snapshot()` to the next, and never fell |
| `statement` | one connection has ten or more statements open that differ in values only |
| `connection` | sixteen or more connections to one file are open, three quarters of them asleep |
| `transaction` | one has stood still for five minutes, or its connection was closed with it open |
| `large_object` | eight or more of one size came one after another and all stayed |

Size classes need two snapshots at least, the first a minute ago. A regression test can ask, too:

```sql
SELECT memory_snapshot('before');
-- the work, a few hundred times
SELECT memory_snapshot('middle');
-- the same again, until a minute is over
SELECT count(*) = 0 AS nothing_leaks FROM leak_suspects();
```

)" + stats::doctor_manual();
}

}  // namespace sqlitemem::docs
