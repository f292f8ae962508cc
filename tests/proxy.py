"""A TCP proxy on loopback that delays what passes, and cuts connections."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Address = tuple[str, int] | Path
"""Where a server listens: host and port, or the path of its socket."""

_CHUNK = 1 << 16
_IN_FLIGHT = 256
"""Chunks under way in one direction: more than a delayed link holds, little enough for memory."""


class Proxy:
    """A proxy in threads of its own. delay is in seconds, in each direction; it may be changed."""

    def __init__(self, server: Address, delay: float) -> None:
        self.server = server
        self.delay = delay
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: set[socket.socket] = set()
        self._refuses = False
        self._start(self._listen)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def cut(self) -> int:
        """Drop every connection, as a router that forgets does; returns how many sockets that were."""
        dropped = list(self._sockets)
        for end in dropped:
            self._drop(end)
        return len(dropped)

    def refuse(self) -> None:
        """Drop every connection, and every new one at once, until accept()."""
        self._refuses = True
        self.cut()

    def accept(self) -> None:
        """Let connections through again."""
        self._refuses = False

    def close(self) -> None:
        self.refuse()
        self._shut(self._listener)

    def _listen(self) -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                client, _ = self._listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._start(self._connect, client)

    def _connect(self, client: socket.socket) -> None:
        server = self._reach() if not self._refuses else None
        if server is None or self._refuses:
            client.close()
            return
        self._sockets |= {client, server}
        for source, sink in ((client, server), (server, client)):
            under_way: Queue[tuple[float, bytes]] = Queue(_IN_FLIGHT)
            self._start(self._take, source, under_way)
            self._start(self._bring, sink, under_way, source)

    def _reach(self) -> socket.socket | None:
        try:
            if not isinstance(self.server, Path):
                reached = socket.create_connection(self.server)
                reached.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return reached
            reached = socket.socket(socket.AF_UNIX)
            reached.connect(str(self.server))
        except OSError:
            return None
        return reached

    def _take(self, source: socket.socket, under_way: Queue[tuple[float, bytes]]) -> None:
        data = b"first"
        while data:
            try:
                data = source.recv(_CHUNK)
            except OSError:
                data = b""
            under_way.put((time.monotonic() + self.delay, data))

    def _bring(self, sink: socket.socket, under_way: Queue[tuple[float, bytes]], source: socket.socket) -> None:
        """What was read is written when its time has come, in order; the end is the end of both sockets."""
        while True:
            due, data = under_way.get()
            time.sleep(max(0.0, due - time.monotonic()))
            if not data:
                break
            with suppress(OSError):
                sink.sendall(data)
        self._drop(sink)
        self._drop(source)

    def _drop(self, end: socket.socket) -> None:
        self._sockets.discard(end)
        self._shut(end)

    @staticmethod
    def _shut(end: socket.socket) -> None:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()

    @staticmethod
    def _start(work: object, *arguments: object) -> None:
        assert callable(work)
        threading.Thread(target=work, args=arguments, daemon=True).start()


@contextmanager
def proxy(server: Address, delay: float = 0.0) -> Iterator[Proxy]:
    """A running proxy in front of a server, which need not be up yet."""
    made = Proxy(server, delay)
    try:
        yield made
    finally:
        made.close()
