-- Whether letters wait whose time to be tried again has come.
-- Parameters: sync.
SELECT EXISTS (SELECT FROM seqguard_sync.dead_letters AS l
               WHERE l.sync = %(sync)s AND l.state = 'waiting' AND l.next_try <= pg_catalog.now())
