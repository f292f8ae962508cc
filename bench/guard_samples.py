"""How bench/guard.py measures: every guard in turn, so that each round's figures can be paired.

The table's guard is changed from one measurement to the next, in a different order each round. What a row costs is
the CPU time of the backend, which Linux counts in /proc/PID/schedstat, and the time on the clock.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from guard_tables import GUARDS, Connection, Table, run
from psycopg import pq

from seqguard.demo.server import embedded_binaries

if TYPE_CHECKING:
    from seqguard.demo.server import Server

WARM = 20
"""Executions after a change of the guard that are not counted: the server plans anew and fills its caches."""
SAMPLING = 0.02
Parameters = Sequence[Sequence[bytes]]
Samples = dict[str, list[float]]
"""Figures by guard, one for each round."""


def turns(rounds: int) -> Iterator[str]:
    """Every guard, round after round, each time beginning with another one."""
    for number in range(rounds):
        start = number % len(GUARDS)
        yield from (*GUARDS[start:], *GUARDS[:start])


class Meter:
    """Microseconds a row: CPU time of the backend, and time on the clock."""

    def __init__(self, connection: Connection) -> None:
        self.path = Path(f"/proc/{connection.info.backend_pid}/schedstat")
        self.cpu: Samples = defaultdict(list)
        self.wall: Samples = defaultdict(list)

    @contextmanager
    def measuring(self, guard: str, rows: int) -> Iterator[None]:
        cpu, wall = self._cpu(), time.perf_counter_ns()
        yield
        elapsed = time.perf_counter_ns() - wall
        self.cpu[guard].append((self._cpu() - cpu) / rows / 1e3)
        self.wall[guard].append(elapsed / rows / 1e3)

    def _cpu(self) -> int:
        return int(self.path.read_text().split()[0])


def statements(
    table: Table,
    statement: str,
    parameters: Callable[[int], Parameters],
    *,
    count: int,
    rounds: int,
    rows: int = 1,
) -> Meter:
    """A prepared statement, executed by the client so many times a round, each execution a transaction.

    parameters(n) are those of the next n executions. Each execution writes so many rows.
    """
    connection, meter = table.connection, Meter(table.connection)
    run(connection, "DEALLOCATE ALL")
    _good(connection.pgconn.prepare(b"work", statement.encode()))
    for guard in turns(rounds):
        table.guard(guard)
        _execute(connection, parameters(min(WARM, count)))
        todo = parameters(count)
        with meter.measuring(guard, count * rows):
            _execute(connection, todo)
    return meter


def _execute(connection: Connection, todo: Parameters) -> None:
    execute = connection.pgconn.exec_prepared
    for values in todo:
        result = execute(b"work", values)
        if result.status != pq.ExecStatus.COMMAND_OK:
            _good(result)


def _good(result: pq.abc.PGresult) -> None:
    if result.status != pq.ExecStatus.COMMAND_OK:
        raise RuntimeError(result.error_message.decode(errors="replace"))


def copies(table: Table, columns: Sequence[str], blocks: Sequence[bytes], *, rows: int, rounds: int) -> Meter:
    """COPY FROM STDIN into the table, emptied each time."""
    meter = Meter(table.connection)
    for guard in turns(rounds):
        table.empty()
        table.guard(guard)
        run(table.connection, "CHECKPOINT")
        with meter.measuring(guard, rows):
            copy(table.connection, columns, blocks)
    return meter


def copy(connection: Connection, columns: Sequence[str], blocks: Sequence[bytes]) -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY t ({', '.join(columns)}) FROM STDIN".encode()) as stream,
    ):
        for block in blocks:
            stream.write(block)


def transactions(server: Server, table: Table, *, clients: int, seconds: int, rounds: int) -> Samples:
    """Transactions a second by pgbench: single rows with ordinary ids, prepared; 0 when one failed."""
    values = [re.sub(r"\bn\b", ":client_id || '-' || :n", value) for value in table.shape.values]
    script = rf"""
        \set n :n + 1
        INSERT INTO t ({", ".join(table.shape.columns)}) VALUES ({", ".join(values if len(values) > 1 else [":n"])});
    """
    found: Samples = defaultdict(list)
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        command: list[str | Path] = [embedded_binaries() / "pgbench", "--no-vacuum", "--protocol=prepared", "--define=n=0",
                   f"--client={clients}", "--jobs=2", f"--time={seconds}", f"--file={file.name}", server.conninfo()]  # fmt: skip
        for guard in turns(rounds):
            table.empty()
            table.guard(guard)
            run(table.connection, "CHECKPOINT")
            found[guard].append(_rate(command))
    return found


def _rate(command: Sequence[str | Path]) -> float:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "duplicate key" in done.stderr:
        return 0.0
    rate = re.search(r"^tps = ([0-9.]+)", done.stdout, re.MULTILINE)
    if done.returncode or not rate or not re.search(r"failed transactions: 0 ", done.stdout):
        raise RuntimeError(done.stdout + done.stderr)
    return float(rate[1])


def peaks(server: Server, table: Table, columns: Sequence[str], blocks: Sequence[bytes]) -> dict[str, Samples]:
    """Peak memory in MiB of a new backend in one COPY.

    VmHWM is all that it has touched, with the pages of the server's shared memory. RssAnon is its own
    memory, looked at every 20 ms.
    """
    found: dict[str, Samples] = {"VmHWM": {}, "RssAnon": {}}
    for guard in GUARDS:
        table.empty()
        table.guard(guard)
        with psycopg.connect(server.conninfo(), autocommit=True) as connection:
            with watching(connection.info.backend_pid) as seen:
                copy(connection, columns, blocks)
            found["RssAnon"][guard] = [max(seen) / 1024]
            found["VmHWM"][guard] = [_status(connection.info.backend_pid, "VmHWM") / 1024]
    return found


@contextmanager
def watching(pid: int) -> Iterator[list[int]]:
    """The own memory of a process in KiB, looked at again and again."""
    seen, over = [_status(pid, "RssAnon")], threading.Event()

    def watch() -> None:
        while not over.wait(SAMPLING):
            seen.append(_status(pid, "RssAnon"))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def _status(pid: int, field: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))
