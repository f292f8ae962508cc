"""Letters of one transaction bring the same columns, and a truncate keeps its place among the rows."""

from __future__ import annotations

from seqguard.sync.event import Change, Position
from seqguard.sync.writing.alike import alike
from seqguard.sync.writing.letters import Letter

OLD, NEW = frozenset({"c"}), frozenset[str]()


def letter(number: int, kind: str, table: str = "t") -> Letter:
    row = {"old": {"id": number}, "new": {"id": number, "c": 1}}.get(kind)
    change = Change(table, None, row, Position("s", {}))
    return Letter(change, f"[{number}]", None, "dead", "", "", "", number)


def lacks_of(change: Change) -> frozenset[str] | None:
    return None if change.after is None else frozenset({"c"} - change.after.keys())


def taken(*letters: Letter) -> list[int | None]:
    return [one.id for one in alike(letters, lacks_of)[0]]


def test_the_first_of_a_table_says_which_rows_are_alike() -> None:
    letters = [letter(1, "old"), letter(2, "new"), letter(3, "old"), letter(4, "new", "u")]
    assert taken(*letters) == [1, 3, 4]
    assert alike(letters, lacks_of)[1] == {"t": OLD, "u": NEW}


def test_a_truncate_does_not_overtake_a_row_that_is_left() -> None:
    assert taken(letter(1, "old"), letter(2, "new"), letter(3, "truncate")) == [1]


def test_no_row_overtakes_a_truncate_that_is_left() -> None:
    assert taken(letter(1, "old"), letter(2, "new"), letter(3, "truncate"), letter(4, "old")) == [1]


def test_a_truncate_among_rows_that_are_alike_is_taken() -> None:
    assert taken(letter(1, "old"), letter(2, "truncate"), letter(3, "old"), letter(4, "new")) == [1, 2, 3]
