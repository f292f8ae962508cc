"""seqguard.judge() in SQL and seqguard.rules.judge in Python are the same rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqguard.model import Definition, State
from seqguard.rules import judge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Connection

    from seqguard.demo.server import Server

Case = tuple[Definition, State, int | None, int | None, int]

LEAST, MOST = -(2**63), 2**63 - 1


bigint = st.integers(-20, 20) | st.sampled_from([LEAST, MOST]) | st.integers(LEAST, MOST)
increments = st.integers(-4, 4) | bigint

QUERY = """
SELECT j.status, j.next_value, j.target
FROM ROWS FROM (unnest(%s::bigint[]), unnest(%s::bigint[]), unnest(%s::bigint[]), unnest(%s::boolean[]),
                unnest(%s::bigint[]), unnest(%s::boolean[]), unnest(%s::bigint[]), unnest(%s::numeric[]),
                unnest(%s::bigint[])) WITH ORDINALITY
    AS c (increment, minimum, maximum, cycle, last_value, is_called, type_maximum, furthest, margin, number)
CROSS JOIN LATERAL seqguard.judge(c.increment, c.minimum, c.maximum, c.cycle, c.last_value, c.is_called,
                                  c.type_maximum, c.furthest, c.margin) AS j
ORDER BY c.number
"""


@st.composite
def batches(draw: st.DrawFn) -> list[Case]:
    """One definition, with every state and every furthest value near to where its verdict turns."""
    minimum, maximum = sorted((draw(bigint), draw(bigint)))
    definition = Definition(draw(increments.filter(bool)), minimum, maximum, cycle=draw(st.booleans()))
    type_maximum = draw(st.none() | st.sampled_from([32767, 2**31 - 1]))
    ends = [] if type_maximum is None else [type_maximum, -type_maximum - 1]
    turns = {minimum, maximum, draw(bigint), *ends}
    values = sorted(turn + step for turn in turns for step in (-1, 0, 1))
    states = [
        State(value, is_called)
        for value in values
        if minimum <= value <= maximum
        for is_called in (False, True)
    ]
    margin = draw(st.integers(0, 20) | st.integers(0, MOST))
    return [
        (definition, state, furthest, type_maximum, margin)
        for state in states
        for furthest in (None, *values, draw(st.integers(-(10**30), 10**30)))
    ]


@pytest.fixture(scope="module")
def connection(server: Server) -> Iterator[Connection]:
    with psycopg.connect(server.conninfo("installed"), autocommit=True) as connection:
        yield connection


def flat(case: Case) -> tuple[Any, ...]:
    definition, state, furthest, type_maximum, margin = case
    return (definition.increment, definition.minimum, definition.maximum, definition.cycle,
            state.last_value, state.is_called, type_maximum, furthest, margin)  # fmt: skip


@settings(max_examples=200)
@given(batch=batches())
def test_sql_and_python_judge_alike(connection: Connection, batch: list[Case]) -> None:
    columns = [list(column) for column in zip(*map(flat, batch), strict=True)]
    in_sql = connection.execute(QUERY, columns).fetchall()
    in_python = [(j.status, j.next_value, j.target) for j in (judge(*case) for case in batch)]
    assert in_sql == in_python
