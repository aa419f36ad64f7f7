-- What is wrong with this process's memory, the gravest first, and what to do about it.
SELECT severity, code, finding || ' ' || evidence AS what, advice,
       coalesce(fix_sql, '') AS run_this,
       coalesce(printf('%.1f MB', reclaimable_bytes / 1048576.0), '') AS frees_at_most
FROM memory_doctor;
