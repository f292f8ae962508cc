"""Lines of the log."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import structlog

from seqguard.sync.running.logs import configure

if TYPE_CHECKING:
    import pytest


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_sent_no_escape_sequence_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    try:
        configure().warning("moved", sequence="public.\x1b]0;title\x07")
    finally:
        structlog.reset_defaults()
    assert "\\x1b]0;title\\x07" in terminal.getvalue()
    assert "\x1b" not in terminal.getvalue()
