"""Connections to MySQL and MariaDB by their own conventions, and the facts of their catalogs.

Who and where comes from option files, groups [client] and [seqguard], then from the environment: MYSQL_HOST,
MYSQL_TCP_PORT, MYSQL_UNIX_PORT, MYSQL_USER, MYSQL_PWD.
"""

from __future__ import annotations

import configparser
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqguard.errors import SeqguardError
from seqguard.script import sql_file
from seqguard.sync.failure import TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Connection = Any  # the driver brings no types

STANDARD_FILES = ("/etc/my.cnf", "/etc/mysql/my.cnf", "~/.my.cnf")
GROUPS = ("client", "seqguard")
_ENVIRONMENT = {
    "host": "MYSQL_HOST",
    "port": "MYSQL_TCP_PORT",
    "socket": "MYSQL_UNIX_PORT",
    "user": "MYSQL_USER",
    "password": "MYSQL_PWD",
}
_TLS = {"ssl-ca": "ssl_ca", "ssl-cert": "ssl_cert", "ssl-key": "ssl_key"}
_VERIFYING = {"VERIFY_CA": {"ssl_verify_cert": True}, "VERIFY_IDENTITY": {"ssl_verify_identity": True}}
# too many connections, shutting down, broken connection, lock wait, deadlock, killed, table altered meanwhile
_TRANSIENT = frozenset({1040, 1053, 1077, 1079, 1158, 1159, 1160, 1161, 1205, 1213, 1317, 1412, 1927})
_CLIENT = range(2000, 2100)


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """A column of a source table. type is COLUMN_TYPE, such as int(10) unsigned or enum('a','b').

    key is its place in the primary key from 1, 0 outside it. charset is None for what holds no text.
    """

    name: str
    type: str
    nullable: bool
    key: int
    charset: str | None


@dataclass(frozen=True, slots=True)
class Cascade:
    """A foreign key that changes rows by itself. columns: which column references which; rules as in CREATE TABLE."""

    name: str
    parent: str
    columns: tuple[tuple[str, str], ...]
    on_delete: str
    on_update: str


def options(option_file: str | None = None, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What the option files say, and the environment where they say nothing.

    With option_file, no other file is read, as with --defaults-file of MySQL's own clients.
    Raises SeqguardError when that file, or one that is there, cannot be read.
    """
    named = {name: environment[key] for name, key in _ENVIRONMENT.items() if environment.get(key)}
    return named | _from_files([option_file] if option_file else STANDARD_FILES, must_exist=bool(option_file))


def _from_files(paths: list[str] | tuple[str, ...], *, must_exist: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in map(os.path.expanduser, paths):
        for group in GROUPS:
            found |= _read(path, must_exist=must_exist).get(group, {})
    return found


def _read(path: str, *, must_exist: bool) -> dict[str, dict[str, str]]:
    """The groups of one option file; !include lines are passed over."""
    parser = configparser.RawConfigParser(allow_no_value=True, strict=False, comment_prefixes=("#", ";", "!"))
    parser.optionxform = lambda name: name.lower().replace("_", "-")  # type: ignore[method-assign,assignment]
    try:
        parser.read_string(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        if must_exist:
            raise SeqguardError(f"option file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SeqguardError(f"option file {path} is not UTF-8: save it in that encoding") from None
    except configparser.Error:
        # its message would quote the line, which may hold the password
        raise SeqguardError(f"option file {path} is malformed") from None
    return {group: {name: _bare(text) for name, text in parser.items(group)} for group in parser.sections()}


def _bare(text: str | None) -> str:
    """A value without its quotes; an option without a value is on."""
    if text is None:
        return "1"
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if quoted else text


def settings(chosen: Mapping[str, str]) -> dict[str, Any]:
    """Options as the driver's arguments. Raises SeqguardError for a port that is no number."""
    arguments: dict[str, Any] = {"user": chosen.get("user"), "password": chosen.get("password", "")}
    if "socket" in chosen and chosen.get("host", "localhost") == "localhost":
        arguments["unix_socket"] = chosen["socket"]
    else:
        arguments["host"] = chosen.get("host", "localhost")
        arguments["port"] = _port(chosen.get("port", "3306"))
    return arguments | _tls(chosen)


def _port(text: str) -> int:
    if not text.isdecimal():
        raise SeqguardError(f"the port of the MySQL server is not a number: {text}")
    return int(text)


def _tls(chosen: Mapping[str, str]) -> dict[str, Any]:
    """TLS is tried anyway. With a CA the certificate must be signed by it, as with MariaDB's client."""
    mode = chosen.get("ssl-mode", "").upper()
    if mode == "DISABLED" or chosen.get("ssl", "1").lower() in {"0", "off", "false"}:
        return {"ssl_disabled": True}
    files = {argument: chosen[name] for name, argument in _TLS.items() if name in chosen}
    if chosen.get("ssl-verify-server-cert", "0").lower() in {"1", "on", "true"}:
        return files | _VERIFYING["VERIFY_IDENTITY"]
    if "ssl_ca" in files and mode not in _VERIFYING:
        return files | _VERIFYING["VERIFY_CA"]
    # an unverified but required connection is what ssl-mode=REQUIRED means
    return files | _VERIFYING.get(mode, {"ssl_verify_cert": False} if mode == "REQUIRED" else {})


def connect(option_file: str | None = None, **driver: Any) -> Connection:
    """An autocommit connection in utf8mb4 and UTC; driver holds further arguments of pymysql.connect().

    Raises SeqguardError without any password, TransientError when another try may help.
    """
    import pymysql

    arguments = settings(options(option_file))
    path = arguments.get("unix_socket")
    if path and not Path(path).exists():  # the driver would leave a socket open
        raise TransientError(f"cannot connect to the MySQL server: there is no socket {path}; is it running?")
    arguments |= {
        "charset": "utf8mb4",
        "autocommit": True,
        "program_name": "seqguard",
        # no mode that pads CHAR or reads quotes otherwise
        "init_command": "SET time_zone = '+00:00', sql_mode = 'NO_ENGINE_SUBSTITUTION'",
    }
    with failures("cannot connect to the MySQL server"):
        return pymysql.connect(**(arguments | driver))


@contextmanager
def failures(doing: str) -> Iterator[None]:
    """The driver's errors as SeqguardError, TransientError when another try may help."""
    import pymysql

    try:
        yield
    except (pymysql.err.MySQLError, OSError) as error:
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        text = str(error.args[-1]) if error.args else type(error).__name__
        transient = isinstance(error, (OSError, pymysql.err.InterfaceError))
        kind = TransientError if transient or code in _TRANSIENT or code in _CLIENT else SeqguardError
        raise kind(f"{doing}: {text}" + (f" ({code})" if code else "")) from None


def columns(connection: Connection, database: str) -> dict[str, list[SourceColumn]]:
    """The columns of every table of a database that the user may see, in their order."""
    tables: dict[str, list[SourceColumn]] = {}
    for table, name, kind, nullable, key, charset in query(
        connection, sql_file("sync/mysql_columns"), database
    ):
        tables.setdefault(table, []).append(SourceColumn(name, _text(kind), bool(nullable), key, charset))
    return tables


def unique_keys(connection: Connection, database: str) -> dict[str, list[frozenset[str]]]:
    """The columns of every unique index of a database's tables that no two rows can agree in."""
    keys: dict[str, dict[str, set[str]]] = {}
    for table, index, column in query(connection, sql_file("sync/mysql_unique"), database, database):
        keys.setdefault(table, {}).setdefault(index, set()).add(column)
    return {table: [frozenset(names) for names in indexes.values()] for table, indexes in keys.items()}


def cascades(connection: Connection, database: str) -> dict[str, list[Cascade]]:
    """The foreign keys of every table of a database that delete or change its rows by themselves."""
    keys: dict[tuple[str, str, str, str, str], list[tuple[str, str]]] = {}
    for *key, here, there in query(connection, sql_file("sync/mysql_cascades"), database):
        table, name, parent, on_delete, on_update = key
        keys.setdefault((table, name, parent, on_delete, on_update), []).append((here, there))
    found: dict[str, list[Cascade]] = {}
    for (table, name, parent, on_delete, on_update), columns in keys.items():
        found.setdefault(table, []).append(Cascade(name, parent, tuple(columns), on_delete, on_update))
    return found


def _text(value: str | bytes) -> str:
    """MySQL 8 gives some columns of information_schema as blobs."""
    return value.decode() if isinstance(value, bytes) else value


def query(connection: Connection, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Every row that a statement returns."""
    with failures("the MySQL server refused a query"), connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


def parameter_safe(name: str) -> str:
    """An identifier in backquotes, for a query with parameters: the driver has no quoting of its own."""
    return "`" + name.replace("`", "``").replace("%", "%%") + "`"
