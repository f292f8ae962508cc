"""sync: rows from MySQL into PostgreSQL, with their own ids. Source, event, mapping, writer, position."""
