"""Sessions that write to one guarded table at once: the load of bench/stress.py and bench/crash.py.

Most sessions are procedures of bench/stress.sql, so that the server and not Python sets the pace.
"""

from __future__ import annotations

import os
import platform
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import errors
from psycopg.types.json import Jsonb

import seqguard
from seqguard.demo.server import embedded_binaries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Connection = psycopg.Connection[Any]
HERE = Path(__file__).parent
SLICE = 0.5
ROWS = Counter(
    {"multi": 10, "x-multi": 10, "copy": 500, "x-copy": 20, "rollback": 0, "x-rollback": 0, "delete": 0}
)
"""Rows that one operation leaves, where it is not one."""
MODES = {
    "far": "explicit ids from an allocator of their own, 1,000,000 apart",
    "near": "explicit ids 50 to 200 ahead of the sequence: both sides can come by the same id",
    "odd": "the same, but the sequence gives even values only and explicit ids are odd: no id can be both",
}


class RefusedError(Exception):
    """The guard could not be put in place; everything is as it was."""


ROW_MAX = """
CREATE OR REPLACE FUNCTION row_max() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM setval('t_id_seq', (SELECT max(id) FROM t)); RETURN NULL; END $$;
"""
FUNCTIONS = {"usual": (HERE / "usual_recipe.sql").read_text(), "row-max": ROW_MAX}
TRIGGERS = {
    "usual": "CREATE TRIGGER usual AFTER INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION usual_recipe()",
    "row-max": "CREATE TRIGGER usual AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION row_max()",
}


def prepare(connection: Connection, guard: str, mode: str) -> None:
    """A new table t with a guard, and the procedures that write to it."""
    connection.execute("DROP TABLE IF EXISTS t; DROP SCHEMA IF EXISTS stress CASCADE")
    connection.execute("DROP FUNCTION IF EXISTS usual_recipe()")
    connection.execute((HERE / "stress.sql").read_bytes())
    connection.execute(FUNCTIONS.get(guard, "").encode())
    if mode == "odd":
        connection.execute("ALTER SEQUENCE t_id_seq START 2 INCREMENT 2 RESTART")
    if guard == "seqguard":
        seqguard.guard(connection, "t")
    else:
        install(connection, guard)


def install(connection: Connection, guard: str) -> None:
    """Put the guard in place, or in the place of itself, in one transaction.

    seqguard, usual, row-max, none, or the path of a script that guards table t and can be run again.
    Raises RefusedError, and leaves the old guard, when a lock cannot be had.
    """
    with suppress_locks(), connection.transaction():
        if guard == "seqguard":
            seqguard.unguard(connection, "t")
            if problems := [g.problem for g in seqguard.guard(connection, "t") if g.problem]:
                raise RefusedError(problems[0])
        elif guard in TRIGGERS:
            connection.execute("DROP TRIGGER IF EXISTS usual ON t")
            connection.execute(TRIGGERS[guard].encode())
        elif guard != "none":
            connection.execute(Path(guard).read_bytes())


@contextmanager
def suppress_locks() -> Iterator[None]:
    """Locks that cannot be had are no more than a refusal."""
    try:
        yield
    except (errors.LockNotAvailable, errors.DeadlockDetected, seqguard.SeqguardError) as error:
        raise RefusedError(str(error)) from error


@dataclass
class Outcome:
    """What the sessions did and saw: times, by operation or by "ordinary SQLSTATE"."""

    done: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    session_back: int = 0
    """Times that a session drew an id that was not beyond the one it had drawn before."""
    samples: int = 0
    sampler_back: int = 0
    seconds: float = 0.0

    @property
    def ordinary(self) -> int:
        """Statements with ordinary ids that were done or failed with a duplicate key."""
        return sum(n for op, n in self.done.items() if op in ORDINARY) + self.duplicates

    @property
    def explicit(self) -> int:
        """Statements with explicit ids that were done."""
        return sum(n for op, n in self.done.items() if op in EXPLICIT)

    @property
    def duplicates(self) -> int:
        """Ordinary inserts that failed with a duplicate key."""
        return self.errors["ordinary 23505"]


ORDINARY = ("single", "multi", "rollback", "savepoint", "open", "upsert", "delete", "plain", "copy")
EXPLICIT = ("x-single", "x-multi", "x-rollback", "x-savepoint", "x-open", "x-upsert", "x-copy")


class Load:
    """One run of so many sessions against a prepared table, until it is enough or time is up."""

    def __init__(
        self,
        dsn: str,
        guard: str,
        mode: str,
        sessions: int,
        *,
        enough: Callable[[Outcome], bool],
        seconds: float,
    ) -> None:
        self.dsn, self.guard, self.mode = dsn, guard, mode
        self.enough, self.seconds = enough, seconds
        self.outcome = Outcome()
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.seen = 0
        few = max(1, sessions // 16)
        self.tasks: list[tuple[Callable[[Connection], None], int]] = [
            (self.explicit, max(1, sessions // 4 - few)),
            (self.copy_explicit, few),
            (self.copy_ordinary, few),
            (self.plain, few),
            (self.watch, 1),
            (self.fix, 1),
            (self.reinstall, 1),
        ]
        self.tasks.insert(0, (self.ordinary, max(1, sessions - sum(n for _, n in self.tasks[:4]))))

    def __call__(self, *, pausers: int = 0) -> Outcome:
        """Run to the end; whatever a session raises is raised here. All are over then."""
        started = time.monotonic()
        self.deadline = started + self.seconds
        with ExitStack() as stack:
            work = [(task, self.open(stack)) for task, n in self.tasks for _ in range(n)]
            writers = [c.info.backend_pid for _, c in work]
            eager = [c.info.backend_pid for task, c in work if task in {self.explicit, self.copy_explicit}]
            pool = stack.enter_context(ThreadPoolExecutor(len(work) + pausers))
            futures = [pool.submit(self.session, partial(task, connection)) for task, connection in work]
            futures += [pool.submit(self.session, partial(self.pause, eager, writers)) for _ in range(pausers)]
            for future in futures:
                future.result()
        self.outcome.seconds = time.monotonic() - started
        return self.outcome

    def open(self, stack: ExitStack) -> Connection:
        return stack.enter_context(psycopg.connect(self.dsn, autocommit=True, prepare_threshold=1))

    def session(self, task: Callable[[], None]) -> None:
        """Do a task over and over; when one fails, all end."""
        try:
            while not self.over.is_set():
                task()
                if time.monotonic() > self.deadline:
                    self.over.set()
        finally:
            self.over.set()

    def add(self, **counts: dict[str, Any] | int) -> None:
        """Count up; the run is over when there is enough."""
        with self.lock:
            for name, count in counts.items():
                if isinstance(count, dict):
                    getattr(self.outcome, name).update({key: int(n) for key, n in count.items()})
                else:
                    setattr(self.outcome, name, getattr(self.outcome, name) + count)
            if self.enough(self.outcome):
                self.over.set()

    # The sessions. Each is called over and over, on a connection of its own.

    def ordinary(self, connection: Connection) -> None:
        result = called(connection, "CALL stress.ordinary(%s, NULL)", SLICE)
        self.add(done=result["done"], errors=of("ordinary", result["errors"]), session_back=result["back"])

    def explicit(self, connection: Connection) -> None:
        result = called(connection, "CALL stress.explicit(%s, %s, NULL)", self.mode, SLICE)
        self.add(done=result["done"], errors=of("explicit", result["errors"]))

    def plain(self, connection: Connection) -> None:
        """Single inserts by a client, each a transaction."""
        with self.counting(connection, "plain"):
            connection.execute("INSERT INTO t (kind) VALUES ('plain')")

    def copy_ordinary(self, connection: Connection) -> None:
        with self.counting(connection, "copy"), copying(connection, "COPY t (kind) FROM STDIN") as copy:
            for _ in range(ROWS["copy"]):
                copy.write_row(["copy"])
        time.sleep(0.05)

    def copy_explicit(self, connection: Connection) -> None:
        ids = connection.execute(
            "SELECT stress.ids(%s, stress.explicit_id(%s), %s)", [self.mode, self.mode, ROWS["x-copy"]]
        ).fetchall()
        started = now()
        with self.counting(connection, "x-copy"):
            with copying(connection, "COPY t (id, kind) FROM STDIN") as copy:
                for (number,) in ids:
                    copy.write_row([number, "x-copy"])
            connection.execute(
                "INSERT INTO stress.explicit VALUES (%s, %s, %s, %s)", [ids[0][0], ids[-1][0], started, now()]
            )
        time.sleep(0.05)

    def watch(self, connection: Connection) -> None:
        result = called(connection, "CALL stress.watch(%s, %s)", SLICE, Jsonb({"seen": self.seen}))
        self.seen = result["seen"]
        self.add(samples=result["samples"], sampler_back=result["back"])

    def fix(self, connection: Connection) -> None:
        report = seqguard.fix(connection)
        self.add(
            done={"fix": 1},
            errors={f"fix {s.repair.problem}": 1 for s in report.sequences if s.repair and s.repair.problem},
        )
        self.over.wait(0.1)

    def reinstall(self, connection: Connection) -> None:
        try:
            install(connection, self.guard)
        except RefusedError:
            self.add(errors={"reinstall refused": 1})
        else:
            self.add(done={"reinstall": 1})
        self.over.wait(0.5)

    def pause(self, eager: list[int], all_of_them: list[int]) -> None:
        """Stop a backend for an instant, every other time one that writes explicit ids."""
        pid = random.choice(random.choice((eager, all_of_them)))
        time.sleep(random.expovariate(1 / 0.001))
        with suppress(ProcessLookupError):
            try:
                os.kill(pid, signal.SIGSTOP)
                time.sleep(random.choice((0.0005, 0.005, 0.02)))
            finally:
                os.kill(pid, signal.SIGCONT)
        self.add(done={"pause": 1})

    @contextmanager
    def counting(self, connection: Connection, op: str) -> Iterator[None]:
        """Counts an operation of a client, or the error that it ends with."""
        started, side = now(), "explicit" if op in EXPLICIT else "ordinary"
        try:
            yield
        except psycopg.Error as error:
            if connection.closed:
                raise
            self.add(errors={f"{side} {error.sqlstate}": 1})
            if (side, error.sqlstate) == ("ordinary", "23505"):
                log_failure(connection, op, started, error)
        else:
            self.add(done={op: 1})


def inserts_at_once(connection: Connection, wanted: int) -> list[int]:
    """The ids of ordinary inserts that succeed now, out of so many."""
    given = []
    for _ in range(wanted):
        with suppress(errors.UniqueViolation):
            row = connection.execute("INSERT INTO t (kind) VALUES ('afterwards') RETURNING id").fetchone()
            assert row
            given.append(row[0])
    return given


def version(binaries: Path) -> str:
    """The version of the server in a bin folder, such as 18.6."""
    command = [str(binaries / "postgres"), "--version"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[2]


def machine() -> str:
    """What this runs on."""
    server = version(embedded_binaries())
    return f"PostgreSQL {server}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def called(connection: Connection, statement: str, *parameters: Any) -> dict[str, Any]:
    """The result of a procedure."""
    row = connection.execute(statement.encode(), parameters).fetchone()
    assert row
    result: dict[str, Any] = row[0]
    return result


def of(side: str, counts: dict[str, int]) -> dict[str, int]:
    return {f"{side} {state}": n for state, n in counts.items()}


def now() -> datetime:
    """The time; clients and server share a clock."""
    return datetime.now(UTC)


@contextmanager
def copying(connection: Connection, statement: str) -> Iterator[psycopg.Copy]:
    with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        yield copy


def log_failure(connection: Connection, op: str, started: datetime, error: psycopg.Error) -> None:
    """The same that stress.ordinary writes for its own."""
    connection.execute(
        "WITH f AS (SELECT substring(%s FROM '[(]([0-9]+)[)] already')::bigint AS id)"
        " INSERT INTO stress.failed SELECT %s, f.id, %s, t.kind FROM f LEFT JOIN t USING (id)",
        [error.diag.message_detail, op, started],
    )
