"""The guard under load: do ordinary inserts fail, does the sequence go back?

    python3 tasks.py bench stress [--guard G ...] [--mode M ...] [--sessions N ...] [--paused] [--quick]
    python3 tasks.py bench stress --keep     the whole matrix for seqguard, into docs/measured/stress.md

guards   seqguard, usual (bench/usual_recipe.sql), row-max (row trigger, setval of max), none,
         or the path of an SQL script that guards table t and can be run again
modes    far   explicit ids from an allocator of their own, 1,000,000 apart
         near  explicit ids 50 to 200 ahead of the sequence: both sides can come by the same id
         odd   the same, but the sequence gives even values only and explicit ids are odd
paused   backends are stopped (SIGSTOP) at random moments for 0.5 to 20 ms

A quarter of the sessions write explicit ids, the others ordinary ones: single rows, multi-row,
COPY, rollbacks, savepoints, open transactions, upserts, deletes of the tail, in procedures that
commit after each, and some from clients. Meanwhile `fix` and the guard's re-installation run in
loops, and a sampler reads the sequence some 100,000 times a second.

Before each row of the table the usual recipe runs for some seconds in the same way. When it
does not show 1,000 duplicates, or when anything was done too seldom, the run is invalid.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
from load import EXPLICIT, MODES, ORDINARY, ROWS, Connection, Load, Outcome, inserts_at_once, machine, prepare
from measured import aligned, keep, markdown

import seqguard
from seqguard.demo.server import embedded_binaries, throwaway

SETTINGS = {
    "max_connections": "200",
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
}  # fsync=off is throwaway's
CONTROL_DUPLICATES = 1_000
CLASSES = ("before", "during", "after", "twice", "unknown")
PAUSERS = 2
LOOPS = 3
SAMPLES = 2_000  # a second, at least
UPSERTS = ("upsert", "x-upsert")  # of a row that is there they make none
AFTERWARDS = 100


@dataclass(frozen=True)
class Case:
    """What to run, and until when: so many ordinary statements and duplicates, or so many seconds."""

    guard: str = "seqguard"
    mode: str = "far"
    sessions: int = 16
    paused: bool = False
    inserts: int = 2_000_000
    seconds: float = 240.0
    duplicates: int = 0

    @property
    def least(self) -> int:
        """How often each operation must have been done: the rarest is one in 500 ordinary ones."""
        return max(5, self.inserts // 10_000)


@dataclass(frozen=True)
class Result:
    """One run: the load's outcome, and what the database says afterwards."""

    case: Case
    outcome: Outcome
    classes: dict[str, int]
    holders: dict[str, int]
    check: str
    behind_by: int
    rows: dict[str, int]
    inserts_after: int

    @property
    def faults(self) -> int:
        """Ordinary inserts that failed, but for those that would whatever the guard."""
        inherent = self.classes.get("before", 0) if self.case.mode == "near" else 0
        return self.outcome.duplicates - inherent


def run(dsn: str, case: Case) -> Result:
    """Prepare a table, load it, and look at what is left."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        prepare(connection, case.guard, case.mode)
        load = Load(
            dsn,
            case.guard,
            case.mode,
            case.sessions,
            enough=lambda outcome: not missing(case, outcome),
            seconds=case.seconds,
        )
        outcome = load(pausers=PAUSERS if case.paused else 0)
        connection.execute("CREATE INDEX ON stress.explicit (low); ANALYZE stress.explicit")
        (sequence,) = (s for s in seqguard.check(connection).sequences if s.sequence == "public.t_id_seq")
        return Result(
            case,
            outcome,
            counts(connection, "SELECT class, count(*) FROM stress.judged GROUP BY 1"),
            counts(connection, "SELECT COALESCE(holder, 'gone'), count(*) FROM stress.judged GROUP BY 1"),
            sequence.status,
            sequence.steps or 0,
            counts(connection, "SELECT kind, count(*) FROM t GROUP BY 1"),
            len(inserts_at_once(connection, AFTERWARDS)),
        )


def counts(connection: Connection, query: str) -> dict[str, int]:
    return dict(connection.execute(query.encode()).fetchall())


def missing(case: Case, outcome: Outcome) -> list[str]:
    """What has not been done often enough yet."""
    wrong = []
    if outcome.ordinary < case.inserts:
        wrong.append(f"{outcome.ordinary} of {case.inserts} ordinary inserts in {outcome.seconds:.0f} s")
    if outcome.duplicates < case.duplicates:
        wrong.append(f"{outcome.duplicates} of {case.duplicates} duplicates in {outcome.seconds:.0f} s")
    wanted = {op: least(case, op) for op in (*ORDINARY, *EXPLICIT)} | dict.fromkeys(loops(case), LOOPS)
    return wrong + [f"{op}: {outcome.done[op]} times" for op, n in wanted.items() if outcome.done[op] < n]


def shortcomings(result: Result) -> list[str]:
    """Why the run proves nothing; empty when it does."""
    case, outcome = result.case, result.outcome
    wrong = missing(case, outcome)
    if outcome.samples < SAMPLES * outcome.seconds:
        wrong.append(f"{outcome.samples} looks at the sequence")
    for op in (*ORDINARY, *EXPLICIT):
        if op not in UPSERTS and result.rows.get(op, 0) != outcome.done[op] * ROWS.get(op, 1):
            wrong.append(f"{op}: {outcome.done[op]} done, {result.rows.get(op, 0)} rows")
    return wrong


def least(case: Case, op: str) -> int:
    """Clients, and transactions that stay open, keep their own pace."""
    return min(case.least, 20) if op in {"copy", "x-copy", "open", "x-open"} else case.least


def loops(case: Case) -> tuple[str, ...]:
    return ("fix", "reinstall", "pause") if case.paused else ("fix", "reinstall")


def failures(result: Result) -> list[str]:
    """What the guard got wrong; empty when nothing."""
    outcome = result.outcome
    allowed = outcome.ordinary // 100_000 if result.case.mode == "near" else 0
    figures = {
        "ordinary inserts failed": result.faults - allowed,
        "steps back seen by the sampler": outcome.sampler_back - allowed,
        "steps back seen by sessions": outcome.session_back - allowed,
        "inserts failed afterwards": AFTERWARDS - result.inserts_after,
        "other errors": sum(n for e, n in outcome.errors.items() if e.startswith("ordinary"))
        - outcome.duplicates,
    }
    wrong = [f"{name}: {n + allowed if allowed else n}" for name, n in figures.items() if n > 0]
    return wrong + ([f"check: {result.check}"] if result.check != "ok" else [])


def judge(result: Result, control: Result | None) -> tuple[str, list[str]]:
    """PASS, FAIL or INVALID, and why."""
    if wrong := failures(result):
        return "FAIL", wrong
    wrong = shortcomings(result)
    if control:
        wrong += [f"usual recipe: {reason}" for reason in missing(control.case, control.outcome)]
    return ("INVALID", wrong) if wrong or not control else ("PASS", [])


def with_control(dsn: str, case: Case) -> tuple[Result, Result | None, str, list[str]]:
    """Run the usual recipe first, in the same way, as proof that the program sees what it looks for."""
    control = None
    if case.guard != "usual":
        inserts, seconds = case.inserts // 20, min(60.0, case.seconds)
        control = run(
            dsn,
            replace(case, guard="usual", inserts=inserts, duplicates=CONTROL_DUPLICATES, seconds=seconds),
        )
    result = run(dsn, case)
    return (result, control, *judge(result, control))


COLUMNS = ("guard", "mode", "sessions", "paused", "ordinary", "explicit", "per second", "failed", *CLASSES,
           "per 100,000", "steps back", "check", "usual recipe: failed", "verdict")  # fmt: skip


def cells(result: Result, control: Result | None, verdict: str) -> list[object]:
    case, outcome = result.case, result.outcome
    recipe = f"{control.outcome.duplicates} of {control.outcome.ordinary}" if control else ""
    return [
        Path(case.guard).stem,
        case.mode,
        case.sessions,
        "yes" if case.paused else "no",
        outcome.ordinary,
        outcome.explicit,
        round(outcome.ordinary / outcome.seconds),
        outcome.duplicates,
        *(result.classes.get(name, 0) for name in CLASSES),
        f"{result.faults * 1e5 / max(1, outcome.ordinary):.2f}",
        f"{outcome.sampler_back} + {outcome.session_back}",
        result.check,
        recipe,
        verdict,
    ]


def as_json(result: Result, control: Result | None, verdict: str, why: list[str]) -> dict[str, Any]:
    return {
        **vars(result),
        "case": vars(result.case),
        "outcome": vars(result.outcome),
        "faults": result.faults,
        "verdict": verdict,
        "why": why,
        "usual_recipe": control
        and {"ordinary": control.outcome.ordinary, "duplicates": control.outcome.duplicates},
    }


def cases(options: argparse.Namespace) -> list[Case]:
    inserts, seconds = (60_000, 20.0) if options.quick else (options.inserts, options.seconds)
    pauses = [True] if options.paused else [False] if options.mode or options.sessions else [False, True]
    return [
        Case(guard, mode, sessions, paused, inserts, seconds)
        for guard in options.guard
        for paused in pauses
        for mode in options.mode or MODES
        for sessions in options.sessions or (16, 64)
    ]


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--guard", nargs="+", default=["seqguard"])
    parser.add_argument("--mode", nargs="+", choices=MODES)
    parser.add_argument("--sessions", nargs="+", type=int)
    parser.add_argument("--inserts", type=int, default=2_000_000, help="ordinary statements (2000000)")
    parser.add_argument("--seconds", type=float, default=240.0, help="at most, for each run (240)")
    parser.add_argument("--paused", action="store_true", help="stop backends at random moments")
    parser.add_argument("--quick", action="store_true", help="60,000 ordinary statements")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    parser.add_argument("--keep", action="store_true", help="write docs/measured/stress.json and its table")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    options = parsed(arguments)
    verdicts, lines, runs = [], [], []
    with throwaway(embedded_binaries(), SETTINGS) as server:
        print(machine(), aligned(COLUMNS, COLUMNS), sep="\n", flush=True)
        for case in cases(options):
            result, control, verdict, why = with_control(server.conninfo(), case)
            lines.append(cells(result, control, verdict))
            print(aligned(lines[-1], COLUMNS), *(f"    {reason}" for reason in why), sep="\n", flush=True)
            verdicts.append(verdict)
            runs.append(as_json(result, control, verdict, why))
    figures = {"machine": f"{machine()}, fsync=off", "runs": runs}
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    if options.keep:
        keep("stress.md", "stress", figures, markdown(COLUMNS, lines))
    return 0 if set(verdicts) == {"PASS"} else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
