-- Where a session is, as whom, and with which limits: what sessions that read side by side must agree in.
--
-- Parameters: none. When the server started tells it from its standbys, whatever stands in between.
SELECT pg_catalog.pg_postmaster_start_time(), pg_catalog.current_database(), session_user, current_user,
       pg_catalog.current_setting('lock_timeout'), pg_catalog.current_setting('statement_timeout')
