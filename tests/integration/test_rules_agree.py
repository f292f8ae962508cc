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


def within_bigint(value: int) -> int:
    return min(max(value, LEAST), MOST)


near = st.integers(-30, 30)
bigint = near | st.integers(LEAST, MOST)
anchors = st.sampled_from([0, LEAST, -(2**31), -32768, 32767, 2**31 - 1, MOST])

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
def cases(draw: st.DrawFn) -> Case:
    """Values that meet near zero or near the end of a type, or lie anywhere."""
    value = st.builds(lambda anchor, step: within_bigint(anchor + step), st.just(draw(anchors)), near) | bigint
    minimum, maximum = sorted((draw(value | st.just(LEAST)), draw(value | st.just(MOST))))
    definition = Definition(draw((near | bigint).filter(bool)), minimum, maximum, cycle=draw(st.booleans()))
    last_value = min(max(draw(value), minimum), maximum)
    return (
        definition,
        State(last_value, draw(st.booleans())),
        draw(st.none() | value | st.integers(-(10**30), 10**30)),
        draw(st.none() | st.sampled_from([32767, 2**31 - 1])),
        draw(st.integers(0, 20) | st.integers(0, MOST)),
    )


@pytest.fixture(scope="module")
def connection(server: Server) -> Iterator[Connection]:
    with psycopg.connect(server.conninfo("installed"), autocommit=True) as connection:
        yield connection


def flat(case: Case) -> tuple[Any, ...]:
    definition, state, furthest, type_maximum, margin = case
    return (definition.increment, definition.minimum, definition.maximum, definition.cycle,
            state.last_value, state.is_called, type_maximum, furthest, margin)  # fmt: skip


@settings(max_examples=60)
@given(batch=st.lists(cases(), min_size=1, max_size=60))
def test_sql_and_python_judge_alike(connection: Connection, batch: list[Case]) -> None:
    columns = [list(column) for column in zip(*map(flat, batch), strict=True)]
    in_sql = connection.execute(QUERY, columns).fetchall()
    in_python = [(j.status, j.next_value, j.target) for j in (judge(*case) for case in batch)]
    assert in_sql == in_python
