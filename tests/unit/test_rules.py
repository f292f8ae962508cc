"""The rules, against a model that walks the grid value by value."""

from __future__ import annotations

from facts import FACT, readings
from hypothesis import example, given
from hypothesis import strategies as st

from seqguard.model import Definition, Judgement, Reading, State
from seqguard.rules import judge, report_on, with_margin

small = st.integers(-40, 40)


@st.composite
def definitions(draw: st.DrawFn) -> Definition:
    minimum, maximum = sorted((draw(small), draw(small)))
    increment = draw(st.integers(-9, 9).filter(bool))
    return Definition(increment, minimum, maximum, cycle=draw(st.booleans()))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Definition, State, int | None, int | None, int]:
    definition = draw(definitions())
    state = State(draw(st.integers(definition.minimum, definition.maximum)), draw(st.booleans()))
    return (
        definition,
        state,
        draw(st.none() | small),
        draw(st.none() | st.integers(0, 30)),
        draw(st.integers(0, 12)),
    )


def drawn(definition: Definition, state: State) -> int | None:
    """What nextval does: the manual's words as code."""
    if not state.is_called:
        return state.last_value
    value = state.last_value + definition.increment
    if definition.minimum <= value <= definition.maximum:
        return value
    if definition.cycle:
        return definition.minimum if definition.increment > 0 else definition.maximum
    return None


def fits(definition: Definition, type_maximum: int | None, value: int) -> bool:
    """Whether both the sequence and the column can hold a value, looking in the sequence's direction."""
    if definition.increment > 0:
        return value <= definition.maximum and (type_maximum is None or value <= type_maximum)
    return value >= definition.minimum and (type_maximum is None or value >= -type_maximum - 1)


def walked(
    definition: Definition, state: State, furthest: int | None, type_maximum: int | None, margin: int
) -> Judgement:
    """The verdict found by walking the grid one nextval at a time."""
    next_value = drawn(definition, state)
    if next_value is None:
        return Judgement("exhausted", None)

    def beyond(value: int) -> bool:
        return furthest is None or (value > furthest if definition.increment > 0 else value < furthest)

    if beyond(next_value):
        return Judgement("ok" if fits(definition, type_maximum, next_value) else "exhausted", next_value)
    if definition.cycle and state.is_called and furthest is not None:
        end = definition.maximum if definition.increment > 0 else definition.minimum
        if (end - furthest) * definition.direction <= abs(furthest - next_value):
            return Judgement("unjudged", next_value)
    steps, value = 0, next_value
    while not beyond(value):
        steps, value = steps + 1, value + definition.increment
    if not fits(definition, type_maximum, value):
        return Judgement("exhausted", next_value)
    while margin and fits(definition, type_maximum, value + definition.increment):
        margin, steps, value = margin - 1, steps + 1, value + definition.increment
    return Judgement("behind", next_value, value - definition.increment, steps)


@given(cases())
def test_the_rules_say_what_walking_the_grid_finds(
    case: tuple[Definition, State, int | None, int | None, int],
) -> None:
    assert judge(*case) == walked(*case)


@given(cases())
def test_the_rules_do_not_depend_on_where_zero_is(
    case: tuple[Definition, State, int | None, int | None, int],
) -> None:
    definition, state, furthest, _, margin = case
    far = 2**62
    here = judge(definition, state, furthest, None, margin)
    there = judge(
        definition._replace(minimum=definition.minimum + far, maximum=definition.maximum + far),
        State(state.last_value + far, state.is_called),
        None if furthest is None else furthest + far,
        None,
        margin,
    )
    assert there == Judgement(
        here.status,
        None if here.next_value is None else here.next_value + far,
        None if here.target is None else here.target + far,
        here.steps,
    )


@given(cases())
@example((Definition(), State(1, is_called=False), 16, None, 0))
def test_a_sequence_at_its_target_is_in_sync(
    case: tuple[Definition, State, int | None, int | None, int],
) -> None:
    definition, state, furthest, type_maximum, margin = case
    target = judge(definition, state, furthest, type_maximum, margin).target
    if target is not None:
        assert judge(definition, State(target, is_called=True), furthest, type_maximum).status == "ok"


def test_the_furthest_of_several_columns_counts() -> None:
    report = report_on((FACT, FACT), readings(16, 9))
    assert (report.furthest, report.target) == (16, 16)


def test_the_least_of_several_columns_counts_when_descending() -> None:
    fact = FACT._replace(increment=-1, minimum=-100, maximum=-1)
    report = report_on((fact, fact), readings(-9, -16, last_value=-1))
    assert (report.furthest, report.target) == (-16, -16)


def test_the_narrowest_column_limits_the_sequence() -> None:
    wide, narrow = FACT._replace(type_maximum=2**31 - 1), FACT._replace(type_maximum=32767)
    assert report_on((wide, narrow), readings(32767, None)).status == "exhausted"


def test_a_column_that_was_not_read_is_never_ok() -> None:
    report = report_on((FACT, FACT), (*readings(None), readings(None)[0]._replace(problem="locked")))
    assert (report.status, report.notes) == ("unreadable", ("unreadable: locked",))


def test_a_column_that_was_not_read_does_not_hide_another_that_is_ahead() -> None:
    report = report_on((FACT, FACT), (*readings(16), readings(None)[0]._replace(problem="locked")))
    assert report.status == "behind"


def test_an_unjudged_default_is_never_ok() -> None:
    report = report_on((FACT._replace(unjudged="cannot judge it"),), readings(None))
    assert (report.status, report.notes) == ("unjudged", ("unjudged: public.t.id: cannot judge it",))


def test_a_sequence_is_guarded_when_every_column_is() -> None:
    guarded = FACT._replace(guard_state="installed")
    assert [report_on(facts, readings(1, 1)).guarded for facts in ((guarded, guarded), (guarded, FACT))] == [
        True,
        False,
    ]


def test_a_low_headroom_is_noted() -> None:
    fact = FACT._replace(maximum=100)
    notes = ("headroom: 19 values left before 100",)
    assert report_on((fact,), readings(81, last_value=81)).notes == notes


def test_the_headroom_is_what_is_left_after_a_repair() -> None:
    assert report_on((FACT._replace(maximum=100),), readings(81)).notes == (
        "headroom: 19 values left before 100",
    )


def test_enough_headroom_is_not_noted() -> None:
    assert report_on((FACT._replace(maximum=100),), readings(80)).notes == ()


def test_a_cache_is_noted() -> None:
    (note,) = report_on((FACT._replace(cache=10),), readings(1)).notes
    assert note.startswith("cache: each session draws 10 values")


def test_a_column_without_an_index_is_noted() -> None:
    (note,) = report_on((FACT._replace(indexed=False),), readings(1)).notes
    assert note == "unindexed: no index to read public.t.id by"


def test_several_columns_without_an_index_are_one_note() -> None:
    facts = tuple(
        FACT._replace(table=table, indexed=indexed)
        for table, indexed in [("a", False), ("b", True), ("c", False)]
    )
    assert report_on(facts, readings(1, 1, 1)).notes == ("unindexed: no index to read a.id, c.id by",)


def test_what_is_exhausted_says_which_limit() -> None:
    notes = [
        report_on((FACT._replace(maximum=10),), readings(16)).notes,
        report_on((FACT._replace(type_maximum=32767),), readings(32767)).notes,
        report_on((FACT._replace(maximum=10),), readings(1, last_value=10)).notes,
    ]
    assert notes == [
        ("exhausted: the data has reached the sequence's limit 10",),
        ("exhausted: the data has reached the column type's limit 32767",),
        ("exhausted: there is no next value within the sequence's limit 10",),
    ]


def test_a_margin_counts_values_of_the_grid() -> None:
    report = report_on((FACT._replace(increment=5),), readings(16))
    assert (report.target, with_margin(report, 2).target) == (16, 26)


def test_of_several_looks_at_a_sequence_the_latest_counts() -> None:
    early, late = State(10, is_called=True), State(12, is_called=True)
    report = report_on((FACT, FACT), (Reading(10, early), Reading(12, late)))
    assert (report.status, report.last_value) == ("ok", 12)
