-- How fragmented each part of the heap is, in words.
SELECT component,
       CASE status
         WHEN 'Good' THEN 'fine: '
         WHEN 'Fair' THEN 'acceptable: '
         WHEN 'Poor' THEN 'look at it: '
         WHEN 'Small' THEN 'too small to judge: '
         ELSE 'not measurable: '
       END ||
       CASE WHEN held_bytes > 0
         THEN printf('%.1f MB held, %.1f MB in use', held_bytes / 1048576.0,
                     wanted_bytes / 1048576.0) ||
              iif(kept_free_bytes > 0, printf(', %.1f MB kept for re-use',
                                              kept_free_bytes / 1048576.0), '')
         ELSE coalesce(note, 'nothing held')
       END AS verdict
FROM fragmentation_stats
ORDER BY CASE status WHEN 'Poor' THEN 1 WHEN 'Fair' THEN 2 WHEN 'Good' THEN 3 ELSE 4 END, component;
