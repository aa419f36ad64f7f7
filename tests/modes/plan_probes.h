// What the probes of plan_probes.c and plan_probes_schema.c share.
#ifndef PLAN_PROBES_H
#define PLAN_PROBES_H

#include <sqlite3.h>
#include <stdio.h>

/* One observation: a line that must be the same with and without the plan cache. */
#define SAY(...) (printf(__VA_ARGS__), printf("\n"), fflush(stdout))

sqlite3* open_file(void);
int run(sqlite3* db, const char* sql); /* sqlite3_exec() */
int walk(sqlite3* db,
         const char* sql); /* prepare, step to the end, finalize: 1000 * step + finalize */
void warm(sqlite3* db, const char* sql);        /* four times, so that it is kept */
int columns(sqlite3* db, const char* sql);      /* of the statement just prepared; -1: refused */
long long number(sqlite3* db, const char* sql); /* its first value; -999: none */

void probe_schema(void);
void probe_states(void);

#endif
