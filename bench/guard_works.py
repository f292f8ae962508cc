"""The works of bench/guard.py, one after the other, each with its target.

Ids of explicit rows begin at FAR, beyond all that the sequence gives by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from statistics import median
from typing import TYPE_CHECKING

from guard_samples import Meter, Parameters, Samples, copies, peaks, statements, transactions
from guard_tables import PARTITIONS, SEQGUARD, UNGUARDED, USED, USERS, Connection, Shape, Table, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from seqguard.demo.server import Server

FAR, LAST, STEP = 20_000_000, 2_000_000_000, 1_000
STANDING = 10_000
"""Rows that are there before single rows are inserted."""
FLAT = 1.03
BLOCK = 20_000
MICROSECONDS, PER_SECOND, MEBIBYTES = "µs a row", "a second", "MiB"


@dataclass(frozen=True)
class Scale:
    """How much is measured. chunk: transactions of a single-row work a round."""

    chunk: int = 500
    rounds: int = 40
    copied: int = 1_000_000
    copy_rounds: int = 5
    seconds: int = 3
    client_rounds: int = 5
    sizes: tuple[int, ...] = (0, 1_000_000, 10_000_000)
    memory: int = 5_000_000


QUICK = Scale(100, 5, 50_000, 3, 1, 2, (0, 10_000, 100_000), 200_000)


@dataclass(frozen=True)
class Figure:
    """What one work costs under each guard, and what is asked: seqguard's ratio at most, or at least, so much."""

    work: str
    shape: str
    unit: str
    samples: Samples
    wall: Samples = field(default_factory=dict)
    at_most: float | None = None
    at_least: float | None = None

    def ratios(self, guard: str, samples: Samples | None = None) -> list[float]:
        """The guard's figure to the unguarded one's, round by round."""
        by_guard = samples or self.samples
        return [a / b for a, b in zip(by_guard[guard], by_guard[UNGUARDED], strict=True)]

    def ratio(self, guard: str = SEQGUARD) -> float:
        """The median of the rounds' ratios."""
        return median(self.ratios(guard))

    def met(self, guard: str = SEQGUARD) -> bool | None:
        """Whether a guard does what is asked; None when nothing is."""
        if self.at_most is not None:
            return self.ratio(guard) <= self.at_most
        return None if self.at_least is None else self.ratio(guard) >= self.at_least


class Bench:
    """One server, one connection, and the works; each method yields its figures for one shape."""

    def __init__(self, server: Server, connection: Connection, scale: Scale) -> None:
        self.server, self.connection, self.scale = server, connection, scale
        self.next = count(FAR)

    def table(self, shape: Shape, rows: int = STANDING, *, partitioned: bool = False) -> Table:
        return Table(self.connection, shape, rows, partitioned=partitioned)

    def single(self, shape: Shape) -> Iterator[Figure]:
        table = self.table(shape)
        yield timed("1 row, default id", table, self.default(table), 1.03)
        yield timed("1 row, explicit id ahead", table, self.explicit(table), 1.08)
        yield timed("1 row, explicit id 1,000 ahead", table, self.explicit(table, step=STEP))

    def not_ahead(self, shape: Shape) -> Iterator[Figure]:
        table = self.table(shape)
        row = ", ".join(f"'{value.decode()}'" for value in shape.row(LAST))
        run(self.connection, f"INSERT INTO t (id, {', '.join(shape.columns)}) VALUES ({LAST}, {row})")
        run(self.connection, f"SELECT setval('t_id_seq', {LAST})")
        yield timed("1 row, explicit id not ahead", table, self.explicit(table), 1.03)
        table = self.table(shape)
        yield timed("upsert of a row that is there", table, self.upsert(table), 1.03)
        yield timed("UPDATE of another column", table, self.update(table))

    def many(self, shape: Shape) -> Iterator[Figure]:
        table = self.table(shape)
        values = ", ".join(table.shape.values)
        into = f"INSERT INTO t ({', '.join(shape.columns)}) SELECT {values} FROM generate_series($1::int, $2::int) AS n"
        meter = statements(table, into, self.ranges, count=max(5, self.scale.chunk // 100),
                           rounds=self.scale.rounds, rows=STEP)  # fmt: skip
        yield timed("1,000 rows, default ids", table, meter, 1.03)

    def copying(self, shape: Shape) -> Iterator[Figure]:
        table, rows, rounds = self.table(shape, 0), self.scale.copied, self.scale.copy_rounds
        explicit = ("id", *shape.columns)
        for kind, columns, id_of, target in (
            ("default ids", shape.columns, None, 1.03),
            ("explicit ids ascending", explicit, ascending, 1.08),
            ("explicit ids with gaps", explicit, with_gaps, 1.10),
        ):
            data = blocks(shape, rows, id_of)
            yield timed(f"COPY {kind}", table, copies(table, columns, data, rows=rows, rounds=rounds), target)

    def clients(self, shape: Shape) -> Iterator[Figure]:
        table = self.table(shape, 0)
        for clients in (8, 32):
            rates = transactions(self.server, table, clients=clients, seconds=self.scale.seconds,
                                 rounds=self.scale.client_rounds)  # fmt: skip
            yield Figure(
                f"{clients} clients, default ids", shape.name, PER_SECOND, rates, at_least=asked(shape, 0.97)
            )

    def partitions(self, shape: Shape) -> Iterator[Figure]:
        table, half = self.table(shape, partitioned=True), self.scale.rounds // 2
        yield timed(f"{PARTITIONS} partitions: 1 row, default id", table, self.default(table, half), 1.05)
        yield timed(
            f"{PARTITIONS} partitions: 1 row, explicit id ahead", table, self.explicit(table, half), 1.05
        )

    def sizes(self, shape: Shape) -> Iterator[Figure]:
        first: float | None = None
        for rows in self.scale.sizes:
            table = self.table(shape, rows)
            figure = timed(f"{rows:,} rows there: 1 row, default id", table, self.default(table), first)
            yield figure
            first = first or figure.ratio() * FLAT

    def default(self, table: Table, rounds: int | None = None) -> Meter:
        """Single rows with ordinary ids."""
        columns = table.shape.columns
        insert = f"INSERT INTO t ({', '.join(columns)}) VALUES ({places(columns)})"
        return self.prepared(
            table, insert, lambda n: [table.shape.row(next(self.next)) for _ in range(n)], rounds
        )

    def explicit(self, table: Table, rounds: int | None = None, step: int = 1) -> Meter:
        """Single rows with ids of their own, each so far beyond the last one."""
        ids = count(next(self.next), step)
        columns = ("id", *table.shape.columns)
        insert = f"INSERT INTO t ({', '.join(columns)}) VALUES ({places(columns)})"
        meter = self.prepared(
            table,
            insert,
            lambda n: [[b"%d" % i, *table.shape.row(i)] for i in (next(ids) for _ in range(n))],
            rounds,
        )
        self.next = count(next(ids))
        return meter

    def upsert(self, table: Table) -> Meter:
        """INSERT ... ON CONFLICT DO UPDATE of the rows that are there, one after the other."""
        columns, changed = ("id", *table.shape.columns), table.shape.changed
        values = places(columns)
        if changed not in columns:
            columns, values = (*columns, changed), f"{values}, $2"
        instead = f"ON CONFLICT (id) DO UPDATE SET {changed} = excluded.{changed}"
        upsert = f"INSERT INTO t ({', '.join(columns)}) VALUES ({values}) {instead}"
        ids = count()
        return self.prepared(table, upsert, lambda n: [there(table.shape, next(ids)) for _ in range(n)])

    def update(self, table: Table) -> Meter:
        """A column that no sequence feeds, of one row after the other."""
        update = f"UPDATE t SET {table.shape.changed} = $2 WHERE id = $1"
        ids = count()
        return self.prepared(table, update, lambda n: [there(table.shape, next(ids))[:2] for _ in range(n)])

    def prepared(
        self, table: Table, statement: str, parameters: Callable[[int], Parameters], rounds: int | None = None
    ) -> Meter:
        return statements(
            table, statement, parameters, count=self.scale.chunk, rounds=rounds or self.scale.rounds
        )

    def ranges(self, executions: int) -> Parameters:
        """The first and the last number of 1,000 rows, for each execution."""
        first = next(self.next)
        self.next = count(first + executions * STEP)
        return [[b"%d" % n, b"%d" % (n + STEP - 1)] for n in range(first, first + executions * STEP, STEP)]


def memory(server: Server, connection: Connection, shape: Shape, rows: int) -> Iterator[Figure]:
    """Needs a server of usual settings: VmHWM grows with its shared memory."""
    table = Table(connection, shape)
    found = peaks(server, table, ("id", *shape.columns), blocks(shape, rows, ascending))
    for field_name, samples in found.items():
        work = f"peak memory ({field_name}), COPY of {rows:,} explicit ids"
        yield Figure(work, shape.name, MEBIBYTES, samples, at_most=asked(shape, 1.2))


def timed(work: str, table: Table, meter: Meter, at_most: float | None = None) -> Figure:
    return Figure(
        work, table.shape.name, MICROSECONDS, meter.cpu, meter.wall, at_most=asked(table.shape, at_most)
    )


def asked(shape: Shape, target: float | None) -> float | None:
    """What is asked is asked of one shape."""
    return target if shape is USERS else None


def places(columns: Sequence[str]) -> str:
    return ", ".join(f"${i}" for i in range(1, len(columns) + 1))


def there(shape: Shape, turn: int) -> list[bytes]:
    """A row that is there."""
    number = turn % STANDING + 1
    return [b"%d" % number, *shape.row(number)]


def ascending(n: int) -> int:
    return USED + n


def with_gaps(n: int) -> int:
    return USED + 3 * n + n % 2


def blocks(shape: Shape, rows: int, id_of: Callable[[int], int] | None) -> Sequence[bytes]:
    """Rows for COPY."""

    def line(n: int) -> bytes:
        return b"\t".join(([b"%d" % id_of(n)] if id_of else []) + shape.row(n)) + b"\n"

    return [
        b"".join(map(line, range(start, min(start + BLOCK, rows + 1)))) for start in range(1, rows + 1, BLOCK)
    ]


WORKS = (Bench.single, Bench.not_ahead, Bench.many, Bench.copying, Bench.clients, Bench.partitions, Bench.sizes)
