"""What a MySQL or MariaDB server is and how it is set, as far as its binlog is concerned."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqguard.errors import SeqguardError
from seqguard.script import sql_file
from seqguard.sync.mysql import client

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seqguard.sync.mysql.client import Connection

_NEEDED = {
    "log_bin": ("ON",),
    "binlog_format": ("ROW",),
    "binlog_row_image": ("FULL", "FULL_NODUP"),
    "binlog_row_metadata": ("FULL",),
}
"""What must be set, and to what."""
_UNREADABLE = {
    "binlog_row_value_options": "",
    "binlog_transaction_compression": "OFF",
    "log_bin_compress": "OFF",
}
"""What changes the events into some that mysql-replication does not read, and the value that does not."""
_PARSE_ERROR = 1064
_GLOBAL_GRANT = re.compile(r"GRANT (.+?) ON \*\.\* TO ")


class UnfitServerError(SeqguardError):
    """What keeps a server's binlog from being read, a line for each."""

    def __init__(self, faults: Iterable[str]) -> None:
        self._faults = tuple(faults)
        super().__init__("; ".join(self._faults))

    @property
    def lines(self) -> tuple[str, ...]:
        """The faults."""
        return self._faults


@dataclass(frozen=True, slots=True)
class BinlogServer:
    """A server. gtids: whether its transactions have GTIDs."""

    server_id: int
    is_mariadb: bool
    gtids: bool


def examine(connection: Connection) -> BinlogServer:
    """Who the server is.

    Raises UnfitServerError with what to run and to write into my.cnf when its settings do not do.
    """
    found = settings(connection)
    wrong = problems(found)
    if wrong:
        raise UnfitServerError(wrong)
    is_mariadb = "MariaDB" in found["version"]
    return BinlogServer(int(found["server_id"]), is_mariadb, is_mariadb or found.get("gtid_mode") == "ON")


def faults(connection: Connection) -> list[str]:
    """What keeps its binlog from being read by this account: settings and privileges."""
    found = settings(connection)
    grants = [str(grant) for (grant,) in client.query(connection, "SHOW GRANTS")]
    lacking = lacking_rights(grants, is_mariadb="MariaDB" in found["version"])
    return problems(found) + (
        [f"this account may not read the binlog: {grant(connection, lacking)}"] if lacking else []
    )


def lacking_rights(grants: Iterable[str], *, is_mariadb: bool) -> list[str]:
    """The privileges that reading the binlog takes and that these lines of SHOW GRANTS do not give. Pure."""
    grants = list(grants)
    held = {
        name.strip() for line in grants if (found := _GLOBAL_GRANT.match(line)) for name in found[1].split(",")
    }
    if "ALL PRIVILEGES" in held or (not is_mariadb and any(" ON " not in line for line in grants)):
        return []  # MySQL does not list what the roles bring
    monitor = "BINLOG MONITOR" if is_mariadb else "REPLICATION CLIENT"
    able = {"REPLICATION SLAVE": {"REPLICATION SLAVE"}, monitor: {monitor, "REPLICATION CLIENT", "SUPER"}}
    return [name for name, enough in able.items() if not enough & held]


def grant(connection: Connection, rights: Iterable[str]) -> str:
    """The statement that gives this account global privileges."""
    user, _, host = str(client.query(connection, "SELECT CURRENT_USER()")[0][0]).rpartition("@")
    return f"GRANT {', '.join(rights)} ON *.* TO '{user}'@'{host}'"


def settings(connection: Connection) -> dict[str, str]:
    """The settings that the binlog depends on, by their names."""
    return dict(client.query(connection, sql_file("sync/mysql_settings")))


def problems(found: dict[str, str]) -> list[str]:
    """What is wrong with the settings, one line each; empty when they do. Pure."""
    if found.get("log_bin") == "OFF":
        return [
            "the MySQL server writes no binlog: put log_bin and a server_id of its own into my.cnf, and restart it"
        ]
    if "binlog_row_metadata" not in found:
        return [
            "the MySQL server is too old: MySQL 8.0.14 or MariaDB 10.5 write the names of columns to the binlog"
        ]
    wrong = {name: fit[0] for name, fit in _NEEDED.items() if found.get(name, "").upper() not in fit}
    wrong |= {name: fit for name, fit in _UNREADABLE.items() if found.get(name, fit).upper() != fit}
    if not wrong:
        return []
    return [
        f"{name} of the MySQL server must be {value}, not {found.get(name, '')}: SET GLOBAL {name} = '{value}', let"
        f" sessions connect anew, and keep {name} = {value} in my.cnf under [mysqld]"
        for name, value in wrong.items()
    ]


def end_of_log(connection: Connection) -> tuple[str, int]:
    """The file and position at which the next transaction will be written."""
    try:
        rows = client.query(connection, "SHOW MASTER STATUS")
    except SeqguardError as error:
        if f"({_PARSE_ERROR})" not in str(error):
            raise
        rows = client.query(connection, "SHOW BINARY LOG STATUS")  # MySQL from 8.2
    return str(rows[0][0]), int(rows[0][1])


def bytes_between(connection: Connection, file: str, pos: int) -> int:
    """How many bytes of binlog have been written since a position."""
    last, end = end_of_log(connection)
    if last == file:
        return max(0, end - pos)
    sizes = [(str(row[0]), int(row[1])) for row in client.query(connection, "SHOW BINARY LOGS")]
    names = [name for name, _ in sizes]
    later = sizes[names.index(file) :] if file in names else sizes
    return max(0, sum(size for _, size in later) - pos)


def is_purged(connection: Connection, server_id: int, file: str, pos: int) -> bool:
    """Whether the binlog of that server no longer holds a position; False where another server answers."""
    if int(settings(connection)["server_id"]) != server_id:
        return False
    sizes = {str(row[0]): int(row[1]) for row in client.query(connection, "SHOW BINARY LOGS")}
    return pos > sizes.get(file, -1)


def gtids_at(connection: Connection, server: BinlogServer, file: str, pos: int) -> str:
    """The GTIDs of everything before a position, "" where there are none."""
    if server.is_mariadb:
        return str(client.query(connection, "SELECT BINLOG_GTID_POS(%s, %s)", file, pos)[0][0] or "")
    return "".join(settings(connection).get("gtid_executed", "").split()) if server.gtids else ""


def charset_names(connection: Connection, server: BinlogServer) -> dict[int, str]:
    """The character set of every collation by its number in the binlog."""
    found = {n: name for n, name in client.query(connection, sql_file("sync/mysql_charsets")) if n is not None}
    if server.is_mariadb:
        try:
            found |= dict(client.query(connection, sql_file("sync/mariadb_charsets")))
        except SeqguardError:
            return found  # before 10.10 that view has no numbers, and all collations are in the other one
    return found
