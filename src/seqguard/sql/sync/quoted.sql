-- A qualified name as it stands in a statement.
-- Parameters: names, its parts; none for the current role.
SELECT COALESCE(pg_catalog.string_agg(pg_catalog.quote_ident(n.name), '.' ORDER BY n.place),
                pg_catalog.quote_ident(current_user))
FROM pg_catalog.unnest(%(names)s::pg_catalog.text[]) WITH ORDINALITY AS n (name, place)
