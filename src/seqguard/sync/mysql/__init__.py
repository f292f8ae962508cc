"""The source that reads MySQL and MariaDB: a snapshot, then the binlog."""
