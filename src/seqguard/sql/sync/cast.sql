-- Whether PostgreSQL reads a text as a value of a type. Parameters: value; {type} is a type as format_type() prints it.
SELECT CAST(%(value)s::pg_catalog.text AS {type})
