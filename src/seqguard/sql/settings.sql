-- Set what this server knows of some settings until the end of the transaction, and tell what was set before.
--
-- Parameters: settings, a JSON object of names and values.
SELECT s.k, pg_catalog.current_setting(s.k), pg_catalog.set_config(s.k, s.v, true)
FROM pg_catalog.jsonb_each_text({settings}::pg_catalog.jsonb) AS s (k, v)
WHERE pg_catalog.current_setting(s.k, true) IS NOT NULL
