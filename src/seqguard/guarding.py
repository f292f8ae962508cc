"""guard: install, list and remove the triggers that keep sequences ahead of their columns."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from seqguard import pg
from seqguard.catalog import selected_columns
from seqguard.errors import SeqguardError
from seqguard.fixing import fix, retried
from seqguard.model import FedColumn, Guard
from seqguard.script import installation, installed_version
from seqguard.selection import Selection, table_matches

if TYPE_CHECKING:
    from collections.abc import Callable

    from seqguard.checking import Progress
    from seqguard.model import GuardTrigger, Report
    from seqguard.pg import Connection


_PRESENT = ("installed", "outdated", "disabled")


def guards(
    connection: Connection,
    *tables: str,
    selection: Selection = Selection(),
    timeouts: pg.Timeouts = pg.Timeouts(),
) -> tuple[Guard, ...]:
    """The guard on every selected fed column: its state, and why there can be none.

    Raises SeqguardError for a table or pattern that matches nothing.
    """
    chosen = selection.also(tables)
    facts = selected_columns(connection, chosen, timeouts, guards=True)
    listed = {(fact.table, fact.guard_name) for fact in facts if fact.guard_state in _PRESENT}
    stale = [
        trigger
        for trigger in _stale(pg.guard_triggers(connection, timeouts), facts, chosen)
        if (trigger.qualified_table, trigger.name) not in listed
    ]
    of_no_use = "nothing feeds its column any more: seqguard guard removes it"
    return (
        *(_guard(fact) for fact in facts if chosen.chooses(fact)),
        *(replace(_without_column(trigger), problem=of_no_use) for trigger in stale),
    )


def _guard(fact: FedColumn, problem: str | None = None, moved_to: int | None = None) -> Guard:
    assert fact.table
    assert fact.column
    assert fact.guard_state
    problem = problem or fact.unguardable
    return Guard(fact.table, fact.column, fact.sequence, fact.guard_name, fact.guard_state, problem, moved_to)


def _without_column(trigger: GuardTrigger) -> Guard:
    return Guard(trigger.qualified_table, "", "", trigger.name, "outdated")


def guard(
    connection: Connection,
    *tables: str,
    selection: Selection = Selection(),
    timeouts: pg.Timeouts = pg.Timeouts(),
    progress: Progress | None = None,
    expect: Progress | None = None,
) -> tuple[Guard, ...]:
    """Install a guard on every selected fed column, then repair what is behind.

    Installs or updates schema seqguard first. Each table is locked against writes for an
    instant, in a transaction of its own unless the caller is in one. A table that cannot be
    guarded is told in the guard's `problem`; the others are guarded all the same.

    Raises SeqguardError when the schema cannot be installed, or for a table that matches nothing.
    """
    chosen = selection.also(tables)
    facts = selected_columns(connection, chosen, timeouts, guards=True)
    install(connection, timeouts)
    for trigger in _stale(pg.guard_triggers(connection, timeouts), facts, chosen):
        _attempt(connection, partial(pg.drop_guard, trigger=trigger), timeouts)
    todo = [f for f in facts if chosen.chooses(f) and not f.unguardable and f.guard_state != "installed"]
    if expect:
        expect(len(todo))
    problems: dict[int | None, str | None] = {}
    for fact in todo:
        if problem := _attempt(connection, partial(pg.install_guard, fact=fact), timeouts):
            problems[fact.table_oid] = problem
        if progress:
            progress(1)
    repaired = fix(connection, selection=chosen, timeouts=timeouts)
    problems |= _left_behind(repaired)
    moved = {report.sequence: report.repair.moved_to for report in repaired.sequences if report.repair}
    after = selected_columns(connection, chosen, timeouts, guards=True)
    return tuple(
        _guard(fact, problems.get(fact.table_oid), moved.get(fact.sequence))
        for fact in after
        if chosen.chooses(fact)
    )


def _stale(triggers: list[GuardTrigger], facts: list[FedColumn], selection: Selection) -> list[GuardTrigger]:
    """The selected guards whose column takes none any more. No I/O."""
    alive = {
        (fact.table, fact.guard_name) for fact in facts if fact.guard_state in _PRESENT and not fact.unguardable
    }
    return [
        trigger
        for trigger in triggers
        if selection.chooses_table(trigger.schema, trigger.table)
        and (trigger.qualified_table, trigger.name) not in alive
    ]


def _attempt(connection: Connection, work: Callable[..., None], timeouts: pg.Timeouts) -> str | None:
    """Do work on the connection within the timeouts, several times if need be; return why it failed."""
    import psycopg

    try:
        retried(lambda: work(connection, timeouts=timeouts))
    except psycopg.Error as error:
        if pg.is_lost(connection):
            raise
        return pg.explain(error)
    return None


def _left_behind(report: Report) -> dict[int | None, str | None]:
    """Why sequences are not in sync after the repair, by table."""
    return {
        fact.table_oid: f"{sequence.sequence} is {sequence.status}: {problem}"
        for sequence in report.with_status("behind")
        for fact in sequence.facts
        if (problem := sequence.repair and sequence.repair.problem)
    }


def unguard(
    connection: Connection,
    *tables: str,
    selection: Selection = Selection(),
    timeouts: pg.Timeouts = pg.Timeouts(),
) -> tuple[Guard, ...]:
    """Remove the guards of the selected tables. Returns them as they are now, with `problem` where it failed.

    Raises SeqguardError for a table or pattern that matches nothing.
    """
    chosen = selection.also(tables)
    triggers = [t for t in pg.guard_triggers(connection, timeouts) if chosen.chooses_table(t.schema, t.table)]
    without = tuple(p for p in chosen.tables if not any(table_matches(p, t.schema, t.table) for t in triggers))
    if without:
        selected_columns(connection, Selection(tables=without), timeouts)
    facts = pg.fed_columns(connection, timeouts, guards=True)
    known = {(fact.table, fact.guard_name): _guard(fact) for fact in facts if fact.guard_state in _PRESENT}
    return tuple(_drop_guard(connection, trigger, known, timeouts) for trigger in triggers)


def _drop_guard(
    connection: Connection,
    trigger: GuardTrigger,
    known: dict[tuple[str | None, str | None], Guard],
    timeouts: pg.Timeouts,
) -> Guard:
    guard = known.get((trigger.qualified_table, trigger.name), _without_column(trigger))
    problem = _attempt(connection, partial(pg.drop_guard, trigger=trigger), timeouts)
    return replace(guard, problem=problem) if problem else replace(guard, state="missing", problem=None)


def uninstall(connection: Connection, timeouts: pg.Timeouts = pg.Timeouts()) -> tuple[Guard, ...]:
    """Remove every guard, the event trigger and schema seqguard. Returns the guards that were there.

    Each table's guard goes in a transaction of its own. The schema stays when one could not be removed.
    """
    state = pg.installation(connection)
    if not state.exists:
        return ()
    removed = unguard(connection, timeouts=timeouts)
    if not any(gone.problem for gone in removed):
        drop = "DROP EXTENSION seqguard CASCADE" if state.is_extension else "DROP SCHEMA seqguard CASCADE"
        if problem := _attempt(connection, partial(pg.execute, query=drop), timeouts):
            raise SeqguardError(f"cannot remove schema seqguard: {problem}")
    return removed


def install(connection: Connection, timeouts: pg.Timeouts = pg.Timeouts()) -> bool:
    """Create schema seqguard or bring it up to date. Returns whether there was anything to do.

    Raises SeqguardError, and says who can, when the role of the connection may not.
    """
    state = pg.installation(connection)
    if state.exists and not state.is_owner:
        raise SeqguardError(f"schema seqguard belongs to {state.owner}: run guard as that role")
    if state.others:
        raise SeqguardError(
            f"schema seqguard holds objects of {state.others}, or lets that role create some:"
            " take them out and REVOKE CREATE, or DROP SCHEMA seqguard CASCADE and guard again"
        )
    if not state.exists and not state.may_create:
        raise SeqguardError(
            f"role {connection.info.user} may not create schema seqguard:"
            f" GRANT CREATE ON DATABASE {connection.info.dbname} TO {connection.info.user}"
        )
    if state.exists and pg.installed_version(connection) == installed_version():
        return False
    if state.is_extension:
        raise SeqguardError("schema seqguard is another version's extension: ALTER EXTENSION seqguard UPDATE")
    pg.install(connection, installation(), timeouts)
    return True


def guard_new_tables(connection: Connection, timeouts: pg.Timeouts = pg.Timeouts()) -> None:
    """Install the event trigger that guards tables as they are created and follows DDL.

    Raises SeqguardError for one who is not a superuser: PostgreSQL lets nobody else.
    """
    if not pg.is_superuser(connection):
        raise SeqguardError(
            f"event triggers need a superuser, and {connection.info.user} is not one:"
            " run guard --new-tables as a superuser, or guard after each migration"
        )
    install(connection, timeouts)
    pg.execute(connection, "SELECT seqguard.guard_new_tables()", timeouts=timeouts)
