-- What lets a role move a sequence by nextval; shown, never run.
--
-- Parameters: sequence, role: names.
GRANT USAGE ON SEQUENCE {sequence} TO {role}
