-- What a migration does: rows that bring their ids along.
INSERT INTO users (id, name)
SELECT id, 'migrated ' || id FROM generate_series(1, 16) AS id;
