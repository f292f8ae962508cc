"""Ports of the loopback interface for throwaway servers."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from itertools import count
from pathlib import Path

_CLIENTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_tried = count(os.getpid() * 61)
"""Each process begins elsewhere, so that two of them do not choose the same port at once."""


def free_port() -> int:
    """A port that nobody listens on, of those that the system gives to no client; another one with each call."""
    ports = _ports()
    while True:
        port = ports[next(_tried) % len(ports)]
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def _ports() -> range:
    first = int(_CLIENTS.read_text(encoding="ascii").split()[0]) if _CLIENTS.exists() else 32_768
    return range(10_000, max(first, 20_000))
