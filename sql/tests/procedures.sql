-- The procedures: what they return, what they refuse, and where they cannot be called.
SELECT force_garbage_collection() >= 0;
SELECT force_garbage_collection(1) >= 0;
SELECT force_garbage_collection(NULL) >= 0;
SELECT force_garbage_collection(0);
SELECT force_garbage_collection('all');
CREATE VIEW v AS SELECT force_garbage_collection();
SELECT * FROM v;
CREATE TEMP VIEW mine AS SELECT sqlitemem_version() IS NOT NULL;
SELECT * FROM mine;
SELECT coalesce(NULL, 'the built-in still works');
