-- The character set of every collation by its number, on MariaDB from 10.10: one row for each character set that
-- a collation applies to.
SELECT ID, CHARACTER_SET_NAME FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY WHERE ID IS NOT NULL
