"""fix: move forward the sequences that are behind, each on its own, and check them again."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from seqguard import pg
from seqguard.checking import BATCH, At, Progress, check, judged
from seqguard.model import FedColumn, Repair, Report, SequenceReport
from seqguard.rules import with_margin
from seqguard.script import sql_file
from seqguard.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import psycopg

    from seqguard.pg import Connection

STEPS = 100_000
"""Up to so many values are drawn by nextval, which waits for nobody: about 50 ms."""
MOST_STEPS = 10_000_000
"""The same where the sequence cannot be locked, because of its owner or of open transactions: seconds."""
ATTEMPTS = 5

Method = Literal["step", "lock"]


@dataclass(frozen=True, slots=True)
class Move:
    """A repair as planned: how to bring a sequence to its target, or why it cannot be done.

    first is what nextval returns if the sequence is still unused.
    """

    sequence: str
    fact: FedColumn
    target: int
    first: int
    method: Method | None
    steps: int = 0
    problem: str | None = None

    @property
    def can_step(self) -> bool:
        """Whether it may be done without a lock. Values that sessions have cached stay with them."""
        return self.fact.cache == 1 and self.steps <= MOST_STEPS


def plan(report: Report, margin: int = 0) -> list[Move]:
    """The moves that bring forward what the report finds behind. No I/O."""
    if margin < 0:
        raise ValueError(f"margin is how many values to leave free, and cannot be {margin}")
    return [_move(with_margin(sequence, margin)) for sequence in report.with_status("behind")]


def _move(sequence: SequenceReport) -> Move:
    fact = sequence.facts[0]
    assert sequence.target is not None
    assert sequence.last_value is not None
    move = Move(sequence.sequence, fact, sequence.target, sequence.last_value, "step", sequence.steps)
    if move.can_step and (sequence.steps <= STEPS or not fact.is_owner):
        return move
    if fact.is_owner:
        return replace(move, method="lock")
    problem = f"only its owner {fact.sequence_owner} can move it {sequence.steps} steps: run fix as that role"
    return replace(move, method=None, problem=problem)


def repair_sql(move: Move) -> str:
    """The statement that carries a move out; psql can run it as it stands, once or twice."""
    return pg.text(_statement(move))


def _statement(move: Move) -> pg.Query:
    name = pg.literal(move.sequence)
    if move.method == "step":
        return pg.template(
            "step_forward",
            name=name,
            increment=pg.literal(move.fact.increment),
            first=pg.literal(move.first),
            target=pg.literal(move.target),
        )
    return pg.do_block(
        sql_file("install/move_forward"), moving=("regclass", name), target=("int8", pg.literal(move.target))
    )


def fix(
    connection: Connection,
    report: Report | None = None,
    selection: Selection = Selection(),
    *,
    margin: int = 0,
    timeouts: pg.Timeouts = pg.Timeouts(),
    jobs: int = 1,
    progress: Progress | None = None,
    expect: Progress | None = None,
    at: At | None = None,
) -> Report:
    """Move every sequence that is behind forward, exactly and never backwards.

    Works on what `report` found, or on a check of its own. Afterwards the next value is
    furthest + increment, with `margin` values skipped beyond that. What cannot be done is
    told in the sequence's `repair.problem`, and the rest is done all the same. Returns the
    report with the moved sequences read and judged anew. `jobs` is how many connections read, as for check.

    nextval and setval are not undone by a rollback of the caller's transaction.
    """
    report = report or check(connection, selection, timeouts=timeouts, jobs=jobs)
    moves = plan(report, margin)
    if expect:
        expect(len(moves))
    problems = carry_out(connection, moves, timeouts, progress, at)
    done = {move.sequence: _repair(move, problems.get(move.sequence)) for move in moves}
    return _verified(connection, report, done, timeouts, jobs)


def _repair(move: Move, problem: str | None) -> Repair:
    return Repair(problem=problem) if problem else Repair(move.target)


def carry_out(
    connection: Connection,
    moves: Sequence[Move],
    timeouts: pg.Timeouts,
    progress: Progress | None = None,
    at: At | None = None,
) -> dict[str, str]:
    """Do every move; return what went wrong, by sequence."""
    problems = {move.sequence: move.problem for move in moves if move.problem}
    if progress and problems:
        progress(len(problems))
    for batch in batches([move for move in moves if move.method]):
        if at and len(batch) == 1:
            at(batch[0].sequence)
        problems |= _do_batch(connection, batch, timeouts)
        if progress:
            progress(len(batch))
    return problems


def batches(moves: Sequence[Move]) -> list[list[Move]]:
    """What is done in one transaction: many moves of few steps, or one that takes a lock or long."""
    quick = [move for move in moves if move.method == "step" and move.steps <= STEPS]
    alone = [move for move in moves if move.method == "lock" or move.steps > STEPS]
    return [quick[i : i + BATCH] for i in range(0, len(quick), BATCH)] + [[move] for move in alone]


def _do_batch(connection: Connection, batch: Sequence[Move], timeouts: pg.Timeouts) -> dict[str, str]:
    """Do some moves in one transaction; when it fails, one by one. Doing one twice does no harm."""
    import psycopg

    def attempt() -> None:
        with pg.writing(connection, timeouts) as cursor:
            cursor.execute(pg.statements(_statement(move) for move in batch))

    try:
        retried(attempt)
    except psycopg.Error as error:
        if pg.is_lost(connection):
            raise
        if len(batch) == 1 and batch[0].method == "lock" and batch[0].can_step:
            return _do_batch(connection, [replace(batch[0], method="step")], timeouts)
        if len(batch) == 1:
            return {batch[0].sequence: _why_not(error, batch[0], connection.info.user)}
        return {name: text for move in batch for name, text in _do_batch(connection, [move], timeouts).items()}
    return {}


def _why_not(error: psycopg.Error, move: Move, user: str) -> str:
    if error.sqlstate != pg.NO_PRIVILEGE or move.method == "lock":
        return pg.explain(error)
    grant = pg.template("grant_usage", sequence=pg.identifier(move.fact.sequence_schema, move.fact.sequence_name),
                        role=pg.identifier(user))  # fmt: skip
    return f"{pg.explain(error)}: {pg.text(grant)}"


def retried(attempt: Callable[[], None]) -> None:
    """Call until it succeeds, again only after a lock timeout or a deadlock, with growing pauses."""
    import psycopg

    for number in range(1, ATTEMPTS):
        try:
            attempt()
        except psycopg.Error as error:
            if error.sqlstate not in pg.RETRIED:
                raise
            time.sleep(random.uniform(0.05, 0.1) * 2**number)  # noqa: S311 - chance, not secrecy
        else:
            return
    attempt()


def _verified(
    connection: Connection, report: Report, done: dict[str, Repair], timeouts: pg.Timeouts, jobs: int
) -> Report:
    """The report with every sequence in `done` read again."""
    again = [sequence for sequence in report.sequences if sequence.sequence in done]
    reports = judged(connection, [fact for sequence in again for fact in sequence.facts], timeouts, jobs)
    verified = {report.sequence: replace(report, repair=done[report.sequence]) for report in reports}
    return replace(
        report, sequences=tuple(verified.get(sequence.sequence, sequence) for sequence in report.sequences)
    )
