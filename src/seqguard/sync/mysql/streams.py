"""The names that a binlog's positions are stored by."""

STREAM = "binlog"
"""The stream whose positions are places in the binlog."""
COPIED = "binlog: tables"
"""What is stored beside it: under "tables" the source tables that were copied, under "columns" by source table its
columns that are read, each with its target, null for one that only the key or a filter looks at."""
