-- Where a stream stands, no row when it stands nowhere.
-- Parameters: sync, stream.
SELECT p."offset" FROM seqguard_sync.positions AS p WHERE p.sync = %(sync)s AND p.stream = %(stream)s
