-- Drop a temporary table of a writer, where it is there.
-- Parameters: stage.
DROP TABLE IF EXISTS {stage}
