"""The mapping file: TOML into frozen dataclasses. What is wrong in it is told all at once."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from seqguard.errors import SeqguardError
from seqguard.sync.mapping.section import ConfigError, Section
from seqguard.sync.mapping.table import TableRules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seqguard.sync.event import Value

KEYS: Mapping[str, tuple[str, ...]] = {
    "file": ("name", "source", "target", "table", "dead_letters"),
    "source of kind binlog": ("kind", "database", "option_file", "server_id"),
    "source of kind kafka": ("kind", "bootstrap_servers", "group", "topic_prefix", "option_file", "mysql"),
    "source.mysql": ("database", "option_file"),
    "target": ("conninfo",),
    "dead_letters": ("topic", "bootstrap_servers", "option_file"),
    "table": (
        "source",
        "target",
        "key",
        "columns",
        "leave_out",
        "values",
        "constants",
        "ignore",
        "only",
        "zero_dates",
        "truncate",
    ),
    "table, source of kind kafka": ("topic", "types"),
}
"""Every key of the file, by the section that it stands in."""

SECRETS = ("password", "sslpassword")
"""Parameters of libpq that do not belong in a file that is kept with the code."""

_TOKEN = re.compile(r'"((?:[^"]|"")*)"|(.)', re.DOTALL)


@dataclass(frozen=True, slots=True)
class MySQL:
    """Where a MySQL database is: who and how stands in option_file, or in MySQL's usual ones."""

    database: str
    option_file: str | None


@dataclass(frozen=True, slots=True)
class BinlogSource:
    """The binlog of a MySQL or MariaDB server. server_id must be no other replica's."""

    mysql: MySQL
    server_id: int


@dataclass(frozen=True, slots=True)
class KafkaSource:
    """Debezium's topics: one for each table, topic_prefix and the table's name, or the table's own topic.

    option_file holds librdkafka's properties: TLS, SASL. mysql is where the tables come from, if the file
    names it: then the mapping is checked against its catalog, too.
    """

    bootstrap_servers: str
    group: str
    topic_prefix: str
    option_file: str | None
    mysql: MySQL | None


@dataclass(frozen=True, slots=True)
class LetterTopic:
    """A Kafka topic that dead letters are told to. option_file holds librdkafka's properties."""

    topic: str
    bootstrap_servers: str
    option_file: str | None


@dataclass(frozen=True, slots=True)
class Config:
    """A mapping file. path is where it was read; name names the positions and dead letters in the target.

    dead_letters is None when they are only kept in the target.
    """

    path: str
    name: str
    source: BinlogSource | KafkaSource
    conninfo: str
    tables: tuple[TableRules, ...]
    dead_letters: LetterTopic | None = None

    @property
    def mysql(self) -> MySQL | None:
        """Where the source's catalog can be read, None when the file does not say."""
        return self.source.mysql

    def topic(self, table: TableRules) -> str:
        """The topic of a table's changes."""
        prefix = self.source.topic_prefix if isinstance(self.source, KafkaSource) else ""
        return table.topic or prefix + table.source


def load(path: str | Path) -> Config:
    """Read a mapping file.

    Raises ConfigError with everything that is wrong in it, SeqguardError when it cannot be read.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise SeqguardError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SeqguardError(f"{path} is not UTF-8, as TOML is: save it in that encoding") from None
    return parse(text, str(path))


def parse(text: str, path: str = "sync.toml") -> Config:
    """The text of a mapping file; path is what errors call it. Raises ConfigError."""
    try:
        content = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: not TOML: {error}"]) from None
    top = Section(content, path, KEYS["file"])
    name = top.text("name")
    source = _source(top.section("source"), name)
    in_table = KEYS["table"] + (KEYS["table, source of kind kafka"] if isinstance(source, KafkaSource) else ())
    config = Config(
        path=path,
        name=name,
        source=source,
        conninfo=_conninfo(top.section("target", KEYS["target"])),
        tables=tuple(_table(section) for section in top.sections("table", in_table, "source")),
        dead_letters=_letter_topic(top, source),
    )
    _refuse_doubles(top, config.tables)
    top.finish()
    return config


def _source(section: Section, name: str) -> BinlogSource | KafkaSource:
    kind = section.choice("kind", ("binlog", "kafka"))
    section.allow(KEYS["source of kind kafka" if kind == "kafka" else "source of kind binlog"])
    return _kafka(section, name) if kind == "kafka" else _binlog(section)


def _binlog(section: Section) -> BinlogSource:
    server_id = section.integer("server_id", 1, 2**32 - 1)
    return BinlogSource(_mysql(section), server_id)


def _mysql(section: Section) -> MySQL:
    return MySQL(section.text("database"), section.path_or_none("option_file"))


def _kafka(section: Section, name: str) -> KafkaSource:
    mysql = section.section("mysql", KEYS["source.mysql"]) if section.has("mysql") else None
    return KafkaSource(
        bootstrap_servers=section.text("bootstrap_servers"),
        group=section.text("group", name),
        topic_prefix=section.text("topic_prefix", ""),
        option_file=section.path_or_none("option_file"),
        mysql=_mysql(mysql) if mysql else None,
    )


def _letter_topic(top: Section, source: BinlogSource | KafkaSource) -> LetterTopic | None:
    """Where dead letters are told; by the brokers of a Kafka source, unless the section names others."""
    if not top.has("dead_letters"):
        return None
    section = top.section("dead_letters", KEYS["dead_letters"])
    same = source if isinstance(source, KafkaSource) and not section.has("bootstrap_servers") else None
    return LetterTopic(
        topic=section.text("topic"),
        bootstrap_servers=same.bootstrap_servers if same else section.text("bootstrap_servers"),
        option_file=section.path_or_none("option_file") or (same.option_file if same else None),
    )


def _conninfo(section: Section) -> str:
    """The connection string, which holds no secret."""
    conninfo = section.text("conninfo", "")
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        named = conninfo_to_dict(conninfo)
    except ProgrammingError:
        # libpq's message would quote it, and it may hold a password
        section.problem(
            "conninfo", "libpq cannot read it: write it as for psql, 'service=legacy' or 'host=... dbname=...'"
        )
        return ""
    for secret in SECRETS:
        if secret in named:
            section.problem(
                "conninfo",
                f"it holds a {secret}, which does not belong in this file: put it in"
                " ~/.pgpass, PGPASSWORD or a service file",
            )
    return conninfo


def _table(section: Section) -> TableRules:
    schema, table = _qualified(section)
    rules = TableRules(
        source=section.text("source"),
        target_schema=schema,
        target_table=table,
        key=section.names("key"),
        columns=section.texts("columns"),
        leave_out=section.names("leave_out", ()),
        values={name: _scalars(listed) for name, listed in section.tables("values").items()},
        constants=_scalars(section.open("constants")),
        ignore=_filters(section.open("ignore")),
        only=_filters(section.open("only")),
        zero_dates_as_null=section.choice("zero_dates", ("error", "null"), "error") == "null",
        truncates={"apply": True, "skip": False, "": None}[section.choice("truncate", ("apply", "skip"), "")],
        topic=section.text("topic", "") or None,
        types=section.texts("types"),
    )
    _check_columns(section, rules)
    return rules


def _qualified(section: Section) -> tuple[str, str]:
    """Schema and table. Capitals count; a name with a dot stands in double quotes, as in SQL."""
    parts = _split(section.text("target"))
    if not 1 <= len(parts) <= 2 or not all(parts):  # noqa: PLR2004
        section.problem(
            "target", "write schema.table, and a name that has a dot in it in double quotes: '\"a.b\".c'"
        )
        return "", ""
    return ("public", parts[0]) if len(parts) == 1 else (parts[0], parts[1])


def _split(name: str) -> list[str]:
    """The parts of a name between dots that are not in double quotes."""
    parts = [""]
    for quoted, plain in _TOKEN.findall(name):
        if plain == ".":
            parts.append("")
        else:
            parts[-1] += plain or quoted.replace('""', '"')
    return parts


def _scalars(section: Section) -> dict[str, Value]:
    return {name: section.scalar(name) for name in section}


def _filters(section: Section) -> dict[str, frozenset[Value]]:
    return {name: section.filter(name) for name in section}


def _check_columns(section: Section, rules: TableRules) -> None:
    """What contradicts itself, whatever the catalogs say."""
    for name in rules.key:
        if name in rules.leave_out:
            section.problem("key", f"column {name} is in leave_out: a row cannot be found without it")
        elif rules.target_of(name) is None:
            section.problem(
                "key", f"column {name} gives way to the constant of {rules.columns.get(name, name)}"
            )
    for name, target in rules.columns.items():
        _check_rename(section, rules, name, target)
    for name, listed in rules.values.items():
        if rules.target_of(name) is None:
            section.problem(f"values.{name}", "the column is left out, so nothing becomes of its values")
        elif not listed:
            section.problem(f"values.{name}", "lists no value, so every row would be an error")


def _check_rename(section: Section, rules: TableRules, name: str, target: str) -> None:
    if name in rules.leave_out:
        section.problem(f"columns.{name}", "is also in leave_out: keep one of both")
    if target in rules.constants:
        section.problem(f"columns.{name}", f"{target} also gets a constant: keep one of both")
    if list(rules.columns.values()).count(target) > 1:
        section.problem(f"columns.{name}", f"{target} is the target of several columns")


def _refuse_doubles(top: Section, tables: tuple[TableRules, ...]) -> None:
    sources = [table.source for table in tables]
    for name in dict.fromkeys(name for name in sources if name and sources.count(name) > 1):
        top.problem(f"table {name}", "is there more than once: a source table goes to one target table")
