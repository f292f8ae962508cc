"""What fix plans."""

from __future__ import annotations

import pytest
from facts import FACT, readings

from seqguard.fixing import plan
from seqguard.model import Report
from seqguard.rules import report_on

REPORT = Report("18.0", "shop", (report_on((FACT,), readings(16)),))


def test_a_margin_is_added_to_the_target() -> None:
    assert [move.target for move in plan(REPORT, 5)] == [21]


def test_a_negative_margin_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be -5"):
        plan(REPORT, -5)
