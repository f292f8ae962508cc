-- Install or renew the guard on one fed column, as fed_columns.sql describes it.
-- Parameters: table_oid, column_name, sequence_oid, increment, number_pattern, guard_name, guard_shape,
-- guard_function, guard_arguments.
SELECT seqguard.install_guard(%s, %s, %s, %s, %s, %s, %s, %s, %s)
