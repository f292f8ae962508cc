"""What is said to PostgreSQL for one table. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqguard import pg
from seqguard.sync.target.values import encoder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from psycopg import sql

    from seqguard.sync.event import Value
    from seqguard.sync.mapping.table import TableMapping
    from seqguard.sync.target.catalog import TargetTable


@dataclass(frozen=True, slots=True)
class Shape:
    """A table of the target, as one mapping writes it. number tells its temporary tables from others'."""

    mapping: TableMapping
    target: TargetTable
    number: int

    @property
    def columns(self) -> Sequence[str]:
        """The columns that are written."""
        return self.mapping.plan.targets

    @property
    def key(self) -> Sequence[str]:
        """The columns of the key."""
        return self.mapping.target_key

    @property
    def stages(self) -> tuple[str, str]:
        """The temporary tables for rows and for keys."""
        return f"seqguard_rows_{self.number}", f"seqguard_keys_{self.number}"

    @property
    def line(self) -> str:
        """The temporary tables' own column: the number of a row among those that were sent."""
        return _unused("seqguard_line", self.target.columns)


@dataclass(frozen=True, slots=True)
class Statements:
    """What is said to PostgreSQL for one table."""

    copy_rows: sql.Composed
    copy_numbered: sql.Composed
    copy_keys: sql.Composed
    copy_table: sql.Composed
    upsert: sql.Composed
    delete: sql.Composed
    rekey: sql.Composed | None
    empty: sql.Composed
    clear: tuple[sql.Composed, sql.Composed]


def of_table(shape: Shape) -> Statements:
    """Everything that needs no more than the table's shape."""
    from psycopg import sql

    staged, gone = map(_stage, shape.stages)
    columns, key = _listed(shape.columns), shape.key
    common = {"table": _table(shape), "stage": staged, "gone": gone}
    return Statements(
        copy_rows=pg.template("sync/copy", table=staged, columns=columns),
        copy_numbered=pg.template("sync/copy", table=staged, columns=_listed((shape.line, *shape.columns))),
        copy_keys=pg.template("sync/copy", table=gone, columns=_listed(key)),
        copy_table=pg.template("sync/copy", table=_table(shape), columns=columns),
        upsert=pg.template("sync/upsert", **common, columns=columns, key=_listed(key), action=_action(shape)),
        delete=pg.template("sync/delete", **common, matches=_matches(key, "target", "gone")),
        rekey=_rekey(shape, common),
        empty=pg.template("sync/empty", table=_table(shape), condition=_is_ours(shape)),
        clear=(sql.SQL("TRUNCATE {}").format(staged), sql.SQL("TRUNCATE {}").format(gone)),
    )


def _rekey(shape: Shape, common: Mapping[str, sql.Composable]) -> sql.Composed | None:
    """None where the key is GENERATED ALWAYS AS IDENTITY."""
    if any(shape.target.columns[name].always for name in shape.key):
        return None
    return pg.template(
        "sync/rekey",
        **common,
        assignments=_assignments(_changeable(shape, ()), "staged"),
        matches=_matches(shape.key, "target", "gone"),
        taken=_matches(shape.key, "other", "staged"),
    )


def stages(shape: Shape) -> Iterator[sql.Composed]:
    """What makes the temporary tables."""
    for stage, columns in zip(map(_stage, shape.stages), (shape.columns, shape.key), strict=True):
        yield pg.template("sync/drop_stage", stage=stage)
        yield pg.template(
            "sync/stage",
            stage=stage,
            columns=_listed(columns),
            table=_table(shape),
            line=pg.identifier(shape.line),
        )


def who_has(shape: Shape, columns: Sequence[str]) -> sql.Composed:
    """A query for the key of a row that has these values, its parameters."""
    from psycopg import sql

    conditions = (
        sql.SQL("target.{} OPERATOR(pg_catalog.=) %s").format(pg.identifier(name)) for name in columns
    )
    return pg.template(
        "sync/who_has",
        table=_table(shape),
        key=_listed(shape.key, "target"),
        condition=sql.SQL(" AND ").join(conditions),
    )


def refused(shape: Shape, condition: sql.Composable) -> sql.Composed:
    """A query for the staged rows, by their lines, of which a condition holds."""
    return pg.template(
        "sync/refused",
        stage=_stage(shape.stages[0]),
        line=pg.identifier(shape.line),
        condition=condition,
    )


def is_null(column: str) -> sql.Composable:
    """The condition that NOT NULL refuses."""
    from psycopg import sql

    return sql.SQL("{} IS NULL").format(pg.identifier(column))


def is_false(expression: str) -> sql.Composable:
    """The condition that a CHECK refuses. Its expression is the server's own text."""
    from psycopg import sql

    return sql.SQL("NOT ({})").format(sql.SQL(expression))


ForeignKey = tuple[str, str, list[str], list[str], bool]
"""The other table's schema and name, the columns here and there, whether it is deferrable."""


def orphans(shape: Shape, foreign_keys: Iterable[ForeignKey], *, deferrable: bool) -> list[sql.Composed]:
    """For each such foreign key that is written here a query for the staged rows, by their lines, without a parent."""
    return [
        _orphans_of(shape, (schema, table), dict(zip(here, there, strict=True)))
        for schema, table, here, there, may_wait in foreign_keys
        if set(here) <= set(shape.columns) and may_wait == deferrable
    ]


def _orphans_of(shape: Shape, parent: tuple[str, str], key: Mapping[str, str]) -> sql.Composed:
    from psycopg import sql

    given = (sql.SQL("staged.{} IS NOT NULL").format(pg.identifier(name)) for name in key)
    matches = (
        sql.SQL("{} OPERATOR(pg_catalog.=) {}").format(
            pg.identifier("parent", there), pg.identifier("staged", here)
        )
        for here, there in key.items()
    )
    return pg.template(
        "sync/orphans",
        stage=_stage(shape.stages[0]),
        line=pg.identifier(shape.line),
        parent=pg.identifier(*parent),
        given=sql.SQL(" AND ").join(given),
        matches=sql.SQL(" AND ").join(matches),
    )


def _unused(name: str, names: Iterable[str]) -> str:
    return _unused(f"{name}_", names) if name in names else name


def _action(shape: Shape) -> sql.Composable:
    from psycopg import sql

    columns = _changeable(shape, shape.key)
    if not columns:
        return sql.SQL("NOTHING")
    return pg.template(
        "sync/upsert_action",
        assignments=_assignments(columns, "excluded"),
        current=_listed(columns, "target"),
        proposed=_listed(columns, "excluded"),
    )


def _changeable(shape: Shape, besides: Sequence[str]) -> list[str]:
    """The columns that an UPDATE may set: not those that are GENERATED ALWAYS AS IDENTITY."""
    return [name for name in shape.columns if name not in besides and not shape.target.columns[name].always]


def _is_ours(shape: Shape) -> sql.Composable:
    """The mapping's constants tell its rows from those that the target has of its own."""
    from psycopg import sql

    conditions = [
        sql.SQL("target.{} IS NULL").format(pg.identifier(name))
        if text is None
        else sql.SQL("target.{} OPERATOR(pg_catalog.=) {}").format(pg.identifier(name), pg.literal(text))
        for name, text in _constants(shape)
    ]
    return sql.SQL(" AND ").join(conditions) if conditions else sql.SQL("true")


def _constants(shape: Shape) -> list[tuple[str, str | None]]:
    constants: dict[str, Value] = dict(shape.mapping.constants)
    return [(name, encoder(shape.target.columns[name])(value)) for name, value in constants.items()]


def _stage(name: str) -> sql.Composable:
    return pg.identifier("pg_temp", name)


def _table(shape: Shape) -> sql.Composable:
    return pg.identifier(shape.target.schema, shape.target.name)


def _listed(columns: Iterable[str], table: str | None = None) -> sql.Composable:
    from psycopg import sql

    return sql.SQL(", ").join(pg.identifier(*([table] if table else []), name) for name in columns)


def _assignments(columns: Iterable[str], table: str) -> sql.Composable:
    from psycopg import sql

    return sql.SQL(", ").join(
        sql.SQL("{} = {}").format(pg.identifier(name), pg.identifier(table, name)) for name in columns
    )


def _matches(columns: Iterable[str], one: str, other: str) -> sql.Composable:
    from psycopg import sql

    return sql.SQL(" AND ").join(
        sql.SQL("{} OPERATOR(pg_catalog.=) {}").format(pg.identifier(one, name), pg.identifier(other, name))
        for name in columns
    )
