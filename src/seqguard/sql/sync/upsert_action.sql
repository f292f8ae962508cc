-- What an upsert does with a row that is there.
-- Parameters: assignments; current and proposed, the same columns of both.
UPDATE SET {assignments} WHERE pg_catalog.record_image_ne(ROW ({current}), ROW ({proposed}))
