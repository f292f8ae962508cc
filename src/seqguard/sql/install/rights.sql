-- Nothing here is for everybody: a trigger fires without EXECUTE on its function.
REVOKE ALL ON SCHEMA seqguard FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA seqguard FROM PUBLIC;
REVOKE ALL ON ALL PROCEDURES IN SCHEMA seqguard FROM PUBLIC;
SELECT pg_catalog.pg_advisory_unlock(8317985137926545);
