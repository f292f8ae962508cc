-- Let the staged rows be in the table as they are. A row that is so already is not written again: record_image_ne compares
-- what is stored, without asking the types, so that it sees what = of a type may not (citext), and needs none (json).
-- Parameters: table; stage; columns; key; action.
INSERT INTO {table} AS target ({columns}) OVERRIDING SYSTEM VALUE
SELECT {columns} FROM {stage}
ON CONFLICT ({key}) DO {action}
