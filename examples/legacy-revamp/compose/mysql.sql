-- MySQL: the account that Debezium reads with. The image has made database revamp_db by then.

CREATE USER IF NOT EXISTS 'debezium'@'%' IDENTIFIED BY 'debezium-example';
GRANT SELECT, RELOAD, SHOW DATABASES, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'debezium'@'%';
