-- Which mode this is, and that it explains itself in sentences.
SELECT substr(memory_mode(), 1, instr(memory_mode(), ':') - 1);
SELECT length(memory_mode()) > 40 AND memory_mode() LIKE '%.';
SELECT sqlitemem_version() GLOB '[0-9]*.[0-9]*.[0-9]*';
