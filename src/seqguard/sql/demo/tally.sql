-- What the concurrent sessions of the demo have inserted.
SELECT count(*) AS rows, count(DISTINCT id) AS ids, count(DISTINCT name) AS sessions
FROM users WHERE name LIKE 'session %';
