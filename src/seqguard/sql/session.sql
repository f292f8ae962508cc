-- Where a session is, as whom, and within which limits: what sessions that read side by side must agree in.
--
-- Parameters: none. When the server started tells it from its standbys, whatever stands in between; in hexadecimal,
-- because a client may not know how to read a time in the session's DateStyle.
SELECT pg_catalog.encode(pg_catalog.timestamptz_send(pg_catalog.pg_postmaster_start_time()), 'hex'),
       pg_catalog.current_database(), session_user, current_user,
       pg_catalog.current_setting('lock_timeout'), pg_catalog.current_setting('statement_timeout')
