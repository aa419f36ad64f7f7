-- The most frequent request sizes, what rounding costs each, and what would help.
SELECT request_bytes, printf('%5.1f %%', 100 * share_ratio) AS share, class_bytes,
       printf('%4.1f %%', 100.0 * waste_bytes / class_bytes) AS lost,
       coalesce(suggestion, 'fits') AS suggestion
FROM allocation_patterns(15)
ORDER BY allocations DESC, request_bytes;
