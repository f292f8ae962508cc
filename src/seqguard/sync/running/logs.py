"""Logs: lines for people on a terminal, JSON for programs elsewhere. On standard error."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any

import structlog

from seqguard.render.printable import printable

if TYPE_CHECKING:
    from collections.abc import MutableMapping

_LIBRARIES = ("pymysql", "pymysqlreplication")


class _StandardError:
    """Writes lines to what is standard error at that moment: a bar may have put itself in its place."""

    def msg(self, message: str) -> None:
        """Write a line."""
        sys.stderr.write(f"{message}\n")
        sys.stderr.flush()

    info = warning = error = msg


class _Routed(logging.Handler):
    """What a library says, as an event of this log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        text = " ".join(record.getMessage().split())
        structlog.get_logger().warning("said by a library", library=record.name, text=text)


def configure() -> structlog.typing.FilteringBoundLogger:
    """The logger of this process, set up for what standard error is."""
    people = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=not people),
            *((_spelt_out,) if people else ()),
            _renderer(people=people),
        ],
        logger_factory=lambda *_: _StandardError(),
        cache_logger_on_first_use=True,
    )
    for name in _LIBRARIES:
        library = logging.getLogger(name)
        library.handlers, library.propagate = [_Routed(logging.WARNING)], False
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger


def _spelt_out(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """With nothing in the values that a terminal would obey: a name can hold anything."""
    return {name: printable(value) if isinstance(value, str) else value for name, value in event.items()}


def _renderer(*, people: bool) -> structlog.typing.Processor:
    if people:
        return structlog.dev.ConsoleRenderer(colors=not os.environ.get("NO_COLOR"), pad_event_to=20)
    return structlog.processors.JSONRenderer(default=str)
