-- Remove a guard, without calling a function that somebody else may own.
-- Parameters: guard, the trigger; table, qualified.
DROP TRIGGER {guard} ON {table}
