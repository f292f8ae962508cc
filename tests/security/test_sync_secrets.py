"""Passwords of MySQL, PostgreSQL and Kafka are in no output of sync run, and in no log record of any level."""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING

import pytest
from broker import Broker, running
from mariadb import database, execute, mariadb
from test_passwords import SECRET, logging_server

from seqguard import pg
from seqguard.errors import SeqguardError
from seqguard.sync.mapping import config
from seqguard.sync.running import service
from seqguard.sync.running.worker import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mariadb import Execute

    from seqguard.demo.mariadb import MariaDB
    from seqguard.demo.server import Server

__all__ = ["database", "execute", "logging_server", "mariadb"]

ONCE = service.Options(Limits(until_caught_up=True), snapshot=False, metrics_address="", metrics_port=None)
TABLE = '[[table]]\nsource = "t"\ntarget = "synced"\nkey = ["id"]\n'
BINLOG = 'kind = "binlog"\ndatabase = "{database}"\nserver_id = 4005\noption_file = "{folder}/mysql.cnf"\n'
KAFKA = 'kind = "kafka"\nbootstrap_servers = "{servers}"\noption_file = "{folder}/kafka.properties"\n'
LETTERS = '[dead_letters]\ntopic = "letters"\nbootstrap_servers = "{servers}"\noption_file = "{folder}/kafka.properties"\n'
PROPERTIES = (
    "security.protocol=plaintext\nsasl.mechanisms=PLAIN\nsasl.username=u\nsasl.password={secret}\ndebug=all\n"
)


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with running() as made:
        made.topic("t")
        made.topic("letters")
        yield made


@pytest.fixture
def conninfo(logging_server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A target that asks for a password, which libpq finds in its environment."""
    monkeypatch.setenv("PGPASSWORD", SECRET)
    found = f"host={logging_server.folder} user=keeper dbname=postgres"
    with pg.connect(found) as connection:
        connection.execute("CREATE TABLE synced (id integer PRIMARY KEY, d date)")
        yield found
        connection.execute("DROP TABLE synced; DROP SCHEMA IF EXISTS seqguard_sync CASCADE")


@pytest.fixture
def files(tmp_path: Path, mariadb: MariaDB, execute: Execute) -> Iterator[Path]:
    """Option files with passwords for MySQL and Kafka; a source table of which one row becomes a letter."""
    execute("CREATE TABLE t (id int PRIMARY KEY, d date)")
    execute("INSERT INTO t VALUES (1, '2026-01-02'), (2, '0000-00-00')")
    name = f"sync_{secrets.token_hex(4)}"
    execute(f"CREATE USER {name}@localhost IDENTIFIED BY '{SECRET}'")
    execute(f"GRANT ALL ON *.* TO {name}@localhost")
    socket = mariadb.folder / "socket"
    (tmp_path / "mysql.cnf").write_text(f"[client]\nsocket={socket}\nuser={name}\npassword={SECRET}\n")
    (tmp_path / "kafka.properties").write_text(PROPERTIES.format(secret=SECRET))
    yield tmp_path
    execute(f"DROP USER {name}@localhost")


def mapping_file(folder: Path, source: str, conninfo: str, **values: str) -> config.Config:
    source = source.format(folder=folder, **values)
    more = LETTERS.format(folder=folder, **values)
    text = f'name = "secrets"\n[source]\n{source}[target]\nconninfo = "{conninfo}"\n{TABLE}{more}'
    (folder / "sync.toml").write_text(text)
    return config.load(folder / "sync.toml")


@pytest.mark.parametrize("source", [BINLOG, KAFKA], ids=["binlog", "kafka"])
def test_no_password_is_in_any_log_at_level_debug(
    files: Path, conninfo: str, database: str, broker: Broker, source: str,
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    mapped = mapping_file(files, source, conninfo, database=database, servers=broker.servers)
    service.run(mapped, ONCE)
    for _ in range(10):  # the few seconds for the topic may be too short for the first connection
        if source == BINLOG and not _told(conninfo):
            service.run(mapped, ONCE)
    output = "".join(capfd.readouterr())
    assert '"caught up"' in output
    assert caplog.records, "librdkafka's own lines are among the log records"
    assert SECRET not in output + caplog.text
    assert source == KAFKA or _told(conninfo)


def _told(conninfo: str) -> bool:
    with pg.connect(conninfo) as connection:
        told = connection.execute("SELECT count(published) FROM seqguard_sync.dead_letters").fetchone()
    return told == (1,)


def test_no_password_is_in_an_error(
    files: Path, conninfo: str, database: str, broker: Broker, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("mysql.cnf", "kafka.properties"):
        text = (files / name).read_text()
        (files / name).write_text(text.replace(SECRET, f"{SECRET}-wrong"))
    with pytest.raises(SeqguardError) as caught:
        service.run(mapping_file(files, BINLOG, conninfo, database=database, servers=broker.servers), ONCE)
    assert "Access denied" in str(caught.value)
    assert SECRET not in str(caught.value) + "".join(capfd.readouterr())
