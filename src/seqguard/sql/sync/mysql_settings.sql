-- The settings of a MySQL server that its binlog depends on, and who it is.
SHOW GLOBAL VARIABLES WHERE Variable_name IN (
    'log_bin', 'binlog_format', 'binlog_row_image', 'binlog_row_metadata', 'binlog_row_value_options',
    'binlog_transaction_compression', 'log_bin_compress', 'server_id', 'version', 'gtid_mode', 'gtid_executed')
