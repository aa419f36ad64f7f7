-- memory_class_advice: sizes that waste memory by rounding, with what would help.
CREATE TEMP VIEW IF NOT EXISTS memory_class_advice AS
SELECT request_bytes, class_bytes, waste_bytes, round(100 * share_ratio, 1) AS share_percent,
       suggestion
FROM allocation_patterns
WHERE suggestion IS NOT NULL
ORDER BY waste_bytes * allocations DESC, request_bytes;
