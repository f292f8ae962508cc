"""The rules: what a sequence's state and its data say about each other. No I/O.

They stand a second time in sql/install/judge.sql, for use inside a database;
tests/integration/test_rules_agree.py proves the two equal.
"""

from __future__ import annotations

from dataclasses import replace

from seqguard.model import (
    ColumnReport,
    Definition,
    FedColumn,
    Judgement,
    Reading,
    SequenceReport,
    State,
    Status,
)

LOW_HEADROOM = 0.2
"""Below this part of its range left, a sequence gets a note."""


def judge(
    definition: Definition,
    state: State,
    furthest: int | None,
    type_maximum: int | None = None,
    margin: int = 0,
) -> Judgement:
    """Judge a sequence against the furthest value of the columns that it feeds.

    The target is the last value on the sequence's own grid before the next one that is
    beyond all data. A cycling sequence whose data lies nearer to its limit than to its
    next value may have wrapped on purpose: it is unjudged.
    """
    direction, stride = definition.direction, abs(definition.increment)
    upcoming = state.last_value + (definition.increment if state.is_called else 0)
    if definition.cycle and direction * (upcoming - definition.limit) > 0:
        upcoming = definition.wrapped_start
    next_value = upcoming if direction * (upcoming - definition.limit) <= 0 else None
    nearest_limit = definition.nearest_limit(type_maximum)
    if furthest is None or direction * (furthest - upcoming) < 0:
        spent = direction * (upcoming - nearest_limit) > 0
        return Judgement("exhausted" if spent else "ok", next_value)
    nearer_to_limit = direction * (definition.limit - furthest) <= direction * (furthest - upcoming)
    if definition.cycle and state.is_called and nearer_to_limit:
        return Judgement("unjudged", next_value)
    steps = direction * (furthest - upcoming) // stride + 1
    room = direction * (nearest_limit - upcoming) // stride - steps
    if room < 0:
        return Judgement("exhausted", next_value)
    steps += min(margin, room)
    return Judgement("behind", next_value, upcoming + (steps - 1) * definition.increment, steps)


def report_on(facts: tuple[FedColumn, ...], readings: tuple[Reading, ...]) -> SequenceReport:
    """The verdict on one sequence from its catalog rows and what was read of each."""
    first = facts[0]
    definition = first.definition
    state = _latest_state(definition, readings)
    furthest = _furthest(definition, readings)
    type_maximum = narrowest_maximum(facts)
    judgement = judge(definition, state, furthest, type_maximum) if state else Judgement("unreadable", None)
    return SequenceReport(
        sequence=first.sequence,
        status=_status(judgement, facts, readings),
        next_value=judgement.next_value,
        furthest=furthest,
        last_value=state.last_value if state else None,
        is_called=state.is_called if state else None,
        increment=first.increment,
        target=judgement.target,
        steps=judgement.steps,
        guarded=all(fact.guard_state in ("installed", "outdated") for fact in facts),
        columns=tuple(
            ColumnReport(fact.table or "", fact.column or "", fact.kind or "", reading.furthest, fact.indexed)
            for fact, reading in zip(facts, readings, strict=True)
            if fact.table_oid is not None
        ),
        notes=_notes(definition, facts, readings, judgement, type_maximum),
        facts=facts,
    )


def with_margin(sequence: SequenceReport, margin: int) -> SequenceReport:
    """The same report with a target that leaves up to `margin` more values free beyond the data."""
    if sequence.target is None or sequence.last_value is None:
        return sequence
    facts = sequence.facts
    state = State(sequence.last_value, bool(sequence.is_called))
    judgement = judge(facts[0].definition, state, sequence.furthest, narrowest_maximum(facts), margin)
    return replace(sequence, target=judgement.target, steps=judgement.steps)


def narrowest_maximum(facts: tuple[FedColumn, ...]) -> int | None:
    """The largest value that every one of the columns can hold, None where only the sequence limits it."""
    return min((fact.type_maximum for fact in facts if fact.type_maximum is not None), default=None)


def _latest_state(definition: Definition, readings: tuple[Reading, ...]) -> State | None:
    """The state furthest along: read last, it is beyond whatever was drawn before any column was read."""
    states = [reading.state for reading in readings if reading.state]
    return max(states, key=lambda s: (definition.direction * s.last_value, s.is_called), default=None)


def _furthest(definition: Definition, readings: tuple[Reading, ...]) -> int | None:
    values = [reading.furthest for reading in readings if reading.furthest is not None]
    return max(values, key=lambda value: definition.direction * value, default=None)


def _status(judgement: Judgement, facts: tuple[FedColumn, ...], readings: tuple[Reading, ...]) -> Status:
    if judgement.status in ("behind", "exhausted"):  # so it is, whatever else there is to be read
        return judgement.status
    if any(reading.problem for reading in readings):
        return "unreadable"
    return "unjudged" if any(fact.unjudged for fact in facts) else judgement.status


def _notes(
    definition: Definition,
    facts: tuple[FedColumn, ...],
    readings: tuple[Reading, ...],
    judgement: Judgement,
    type_maximum: int | None,
) -> tuple[str, ...]:
    notes = [f"unreadable: {problem}" for problem in dict.fromkeys(r.problem for r in readings) if problem]
    notes += [f"unjudged: {fact.table}.{fact.column}: {fact.unjudged}" for fact in facts if fact.unjudged]
    if judgement.status == "unjudged":
        notes.append("unjudged: the sequence cycles and may have wrapped on purpose")
    if judgement.status == "exhausted":
        notes.append(_exhausted_note(definition, judgement, type_maximum))
    elif judgement.next_value is not None:
        notes += _headroom_note(definition, judgement, type_maximum)
    scanned = [f"{fact.table}.{fact.column}" for fact in facts if fact.furthest_query and not fact.indexed]
    if scanned:
        notes.append(f"unindexed: no index to read {', '.join(scanned)} by")
    if definition.cache > 1:
        notes.append(f"cache: each session draws {definition.cache} values at a time and may hold some back")
    return tuple(notes)


def _exhausted_note(definition: Definition, judgement: Judgement, type_maximum: int | None) -> str:
    limit = definition.nearest_limit(type_maximum)
    whose = "the sequence's limit" if limit == definition.limit else "the column type's limit"
    if judgement.next_value is None or definition.direction * (judgement.next_value - limit) > 0:
        return f"exhausted: there is no next value within {whose} {limit}"
    return f"exhausted: the data has reached {whose} {limit}"


def _headroom_note(definition: Definition, judgement: Judgement, type_maximum: int | None) -> list[str]:
    limit, position = definition.nearest_limit(type_maximum), judgement.next_value
    assert position is not None
    after = position if judgement.target is None else judgement.target + definition.increment
    left = definition.direction * (limit - after) // abs(definition.increment) + 1
    whole = definition.direction * (limit - definition.wrapped_start) // abs(definition.increment) + 1
    if definition.cycle or left >= LOW_HEADROOM * whole:
        return []
    return [f"headroom: {left} values left before {limit}"]
