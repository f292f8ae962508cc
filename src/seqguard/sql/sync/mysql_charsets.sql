-- The character set of every collation by its number, on MySQL and MariaDB to 10.9.
SELECT ID, CHARACTER_SET_NAME FROM information_schema.COLLATIONS
