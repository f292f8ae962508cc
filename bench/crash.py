"""The guard when the server dies, or a standby is promoted, in mid-load.

    python3 tasks.py bench crash [--guard G] [--rounds N] [--situation S ...] [--json FILE]
    python3 tasks.py bench crash --keep      all of it for seqguard, into docs/measured/stress.md

kill     the postmaster and all its processes are killed with SIGKILL at a random moment, and the
         server is started again: with fsync and synchronous_commit as PostgreSQL comes, and with
         synchronous_commit=off
promote  a streaming standby is promoted while the primary is written to

After each round check must find the sequence in sync, 200 ordinary inserts must succeed at once,
and, where commits are durable, every insert that a client was told of must be there and the
sequence must not be behind it. First two rounds run with no guard: check must find the sequence
behind in both, or the run is invalid.

What SIGKILL takes away is what PostgreSQL had not written to its files; the operating system's
cache survives. Recovery reads the log up to its last complete record in either case.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from load import called, inserts_at_once, machine, prepare, version
from measured import aligned, keep, markdown

import seqguard
from seqguard.demo.server import Server, embedded_binaries, standby, throwaway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Connection = psycopg.Connection[Any]
SETTINGS = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "checkpoint_timeout": "30s",
    "max_wal_size": "64MB",
    "max_connections": "50",
    "log_min_messages": "log",
}
SITUATIONS = {
    "kill": SETTINGS,
    "kill, synchronous_commit=off": {**SETTINGS, "synchronous_commit": "off"},
    "promote": SETTINGS,
}
AFTERWARDS = 200
SLICE = 0.2
TIMEOUT = 30.0


@dataclass
class Round:
    """What was left after one crash."""

    check: str
    last_value: int
    told: int
    """Inserts of which a client was told that they were committed."""
    lost: int
    """How many of them are not there."""
    furthest_told: int
    explicit: int
    """Rows with explicit ids that are there."""
    succeeded: int
    again: int
    """Ids that a client was told of, that are lost, and that the sequence now gave again."""
    recovered: bool
    """Whether the server's log speaks of recovery from the write-ahead log."""


@dataclass
class Writers:
    """Sessions that write until they are told to stop or their server is gone."""

    dsn: str
    told: list[int] = field(default_factory=list)
    """Ids of ordinary inserts of which a client was told that they were committed."""
    over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Sessions at work; they are over afterwards. Raises what a session raises."""
        tasks = [self.ordinary] * 4 + [self.explicit_near] * 2 + [self.explicit_far] + [self.plain] * 4
        problems: list[BaseException] = []
        threads = [threading.Thread(target=self.session, args=(task, problems)) for task in tasks]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.over.set()
            for thread in threads:
                thread.join()
        if problems:
            raise problems[0]

    def work(self, seconds: float) -> None:
        """Let them write for so long, and until rows of both kinds are there, however slow the machine is."""
        time.sleep(seconds)
        deadline = time.monotonic() + TIMEOUT
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            while not self.told or not values(connection, "SELECT 1 FROM t WHERE kind LIKE 'x-%' LIMIT 1"):
                assert time.monotonic() < deadline, "the load writes nothing"
                time.sleep(0.01)

    def session(self, task: Callable[[Connection], None], problems: list[BaseException]) -> None:
        try:
            with psycopg.connect(self.dsn, autocommit=True) as connection:
                while not self.over.is_set():
                    task(connection)
        except psycopg.OperationalError:
            return  # its server is gone
        except BaseException as error:  # noqa: BLE001 - raised again by running()
            problems.append(error)

    def ordinary(self, connection: Connection) -> None:
        called(connection, "CALL stress.ordinary(%s, NULL)", SLICE)

    def explicit_near(self, connection: Connection) -> None:
        called(connection, "CALL stress.explicit('near', %s, NULL)", SLICE)

    def explicit_far(self, connection: Connection) -> None:
        called(connection, "CALL stress.explicit('far', %s, NULL)", SLICE)
        self.over.wait(0.1)

    def plain(self, connection: Connection) -> None:
        with suppress(psycopg.errors.UniqueViolation):
            row = connection.execute("INSERT INTO t (kind) VALUES ('plain') RETURNING id").fetchone()
            assert row
            self.told.append(row[0])


def family(postmaster: int) -> list[int]:
    """The postmaster and its living children."""
    return [postmaster, *(p for p in processes() if status(p)[1] == postmaster)]


def processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def status(pid: int) -> tuple[str, int]:
    """State and parent of a process; a dead one has state Z."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return "Z", 0
    return state, int(parent)


def kill(server: Server) -> None:
    """Kill every process of a server at once, and wait until they are gone."""
    postmaster = int((server.folder / "data" / "postmaster.pid").read_text().split()[0])
    victims = family(postmaster)
    for pid in (*victims, *family(postmaster)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + TIMEOUT
    while any(status(pid)[0] != "Z" for pid in victims):
        assert time.monotonic() < deadline, "processes that SIGKILL does not end"
        time.sleep(0.01)
    for lock in ("data/postmaster.pid", ".s.PGSQL.5432.lock"):
        (server.folder / lock).unlink()  # a zombie that nobody reaps would count as running


def killed(server: Server, load: float) -> Round:
    """Load a server, kill it, start it, look."""
    before = recoveries(server)
    writers = Writers(server.conninfo())
    with writers.running():
        writers.work(load)
        kill(server)
    server.start()
    return look(server, writers.told, recovered=recoveries(server) > before)


def recoveries(server: Server) -> int:
    return (server.folder / "log").read_text(errors="replace").count("redo done at")


def promoted(primary: Server, load: float) -> Round:
    """Load a server, promote a standby of it, look there."""
    writers = Writers(primary.conninfo())
    with standby(primary) as replica:
        with writers.running():
            writers.work(load)
            told = writers.told.copy()
            replica.control("promote")
        return look(replica, told, recovered=recoveries(replica) > 0)


def look(server: Server, told: list[int], *, recovered: bool) -> Round:
    """The sequence, and whether ordinary inserts succeed."""
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        (sequence,) = (s for s in seqguard.check(connection).sequences if s.sequence == "public.t_id_seq")
        lost = values(connection, "SELECT id FROM unnest(%s::bigint[]) AS id EXCEPT SELECT id FROM t", told)
        (last_value,) = values(connection, "SELECT last_value FROM t_id_seq")
        (explicit,) = values(connection, "SELECT count(*) FROM t WHERE kind LIKE 'x-%'")
        given = inserts_at_once(connection, AFTERWARDS)
    return Round(
        check=sequence.status,
        last_value=last_value,
        told=len(told),
        lost=len(lost),
        furthest_told=max(told, default=0),
        explicit=explicit,
        succeeded=len(given),
        again=len({*given} & {*lost}),
        recovered=recovered,
    )


def values(connection: Connection, query: str, *parameters: Any) -> list[int]:
    return [row[0] for row in connection.execute(query.encode(), parameters or None).fetchall()]


def rounds(
    situation: str,
    guard: str,
    count: int,
    *,
    load: tuple[float, float] = (0.3, 1.5),
    binaries: Path | None = None,
) -> Iterator[Round]:
    """So many rounds on one server, each after load for a random time within bounds."""
    binaries = binaries or embedded_binaries()
    with throwaway(binaries, settings(situation, binaries)) as server:
        for number in range(count):
            if situation == "promote" or not number:
                with psycopg.connect(server.conninfo(), autocommit=True) as connection:
                    prepare(connection, guard, "far")
            work = promoted if situation == "promote" else killed
            yield work(server, random.uniform(*load))


def settings(situation: str, binaries: Path) -> dict[str, str]:
    """The server's; from 14 on recovery need not write every file to disk one by one."""
    quick = {"recovery_init_sync_method": "syncfs"} if version(binaries) >= "14" else {}
    return {**SITUATIONS[situation], **quick}


def failures(situation: str, done: list[Round]) -> list[str]:
    """What went wrong; empty when nothing."""
    wrong = []
    for number, it in enumerate(done, 1):
        wrong += [f"round {number}: check: {it.check}"] if it.check != "ok" else []
        wrong += (
            [f"round {number}: {it.succeeded} of {AFTERWARDS} inserts"] if it.succeeded < AFTERWARDS else []
        )
        if situation == "kill" and (it.lost or it.last_value < it.furthest_told):
            wrong.append(f"round {number}: {it.lost} lost, last_value {it.last_value}, told {it.furthest_told}")
    return wrong


def shortcomings(done: list[Round], unguarded: list[Round]) -> list[str]:
    """Why the rounds prove nothing; empty when they do."""
    wrong = [f"without a guard: check: {it.check}" for it in unguarded if it.check != "behind"]
    for number, it in enumerate(done, 1):
        if not (it.recovered and it.told and it.explicit):
            wrong.append(
                f"round {number}: {it.told} ordinary, {it.explicit} explicit, recovered: {it.recovered}"
            )
    return wrong


def judge(situation: str, done: list[Round], unguarded: list[Round]) -> tuple[str, list[str]]:
    """PASS, FAIL or INVALID, and why."""
    if wrong := failures(situation, done):
        return "FAIL", wrong
    wrong = shortcomings(done, unguarded)
    return ("INVALID", wrong) if wrong or not unguarded or not done else ("PASS", [])


COLUMNS = (
    "situation",
    "rounds",
    "in sync",
    "inserts failed",
    "told committed",
    "lost",
    "given again",
    "verdict",
)


def cells(situation: str, done: list[Round], verdict: str) -> list[object]:
    in_sync = sum(it.check == "ok" for it in done)
    failed = sum(AFTERWARDS - it.succeeded for it in done)
    told, lost, again = (sum(getattr(it, name) for it in done) for name in ("told", "lost", "again"))
    return [situation, len(done), in_sync, failed, told, lost, again, verdict]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--guard", default="seqguard", help="as for bench stress")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--situation", nargs="+", choices=SITUATIONS, default=[*SITUATIONS])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    parser.add_argument("--keep", action="store_true", help="write docs/measured/crash.json and its table")
    options = parser.parse_args(arguments)
    lines, runs = [], []
    print(f"{machine()}, guard: {options.guard}", aligned(COLUMNS, COLUMNS), sep="\n", flush=True)
    for situation in options.situation:
        unguarded = list(rounds(situation, "none", 2))
        done = list(rounds(situation, options.guard, options.rounds))
        verdict, why = judge(situation, done, unguarded)
        lines.append(cells(situation, done, verdict))
        print(aligned(lines[-1], COLUMNS), *(f"    {reason}" for reason in why), sep="\n", flush=True)
        runs.append({"situation": situation, "verdict": verdict, "why": why, "rounds": [vars(r) for r in done]})
    figures = {"machine": f"{machine()}, fsync=on", "guard": options.guard, "situations": runs}
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    if options.keep:
        keep("stress.md", "crash", figures, markdown(COLUMNS, lines))
    return 0 if all(it["verdict"] == "PASS" for it in runs) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
