-- What may be a leak: kind, how much, how fast, and what was seen.
SELECT kind, subject, live_count AS objects,
       printf('%.1f MB', live_bytes / 1048576.0) AS live,
       CASE WHEN growth_bytes_per_hour IS NOT NULL
            THEN printf('%.1f MB', growth_bytes_per_hour / 1048576.0) END AS growth_per_hour,
       evidence
FROM leak_suspects;
