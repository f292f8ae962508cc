"""What a worker counts, for Prometheus."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from seqguard.errors import SeqguardError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from prometheus_client import Metric

    from seqguard.sync.event import Offset

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class _Letters(Collector):
    """The letters that there are when Prometheus asks; none of it while the target does not answer."""

    def __init__(self, count: Callable[[], Mapping[str, Mapping[str, int]]]) -> None:
        self._count = count

    def collect(self) -> Iterable[Metric]:
        """By state, zeros included."""
        try:
            counts = self._count()
        except SeqguardError:
            return
        letters = GaugeMetricFamily("seqguard_sync_letters", "Letters that there are.", labels=["state"])
        for state in ("waiting", "dead", "stopped"):
            letters.add_metric([state], sum(states.get(state, 0) for states in counts.values()))
        yield letters


class Metrics:
    """The metrics of one worker, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._events = self._counter("events", "Changes of rows that were applied.", "table")
        self._dead = self._counter("dead_letters", "Changes put aside as dead letters.", "table")
        self._rows = self._counter("rows", "Rows written in the target, after netting.", "operation")
        self._batches = self._counter("batches", "Batches that were committed in the target.")
        self._retries = self._counter("retries", "Errors that pass, each of them followed by another try.")
        self._failing = self._gauge("failing", "1 from such an error until the work goes on, else 0.")
        self._stopped = self._gauge("stopped_tables", "Source tables that are not written any more.")
        self._seconds = Histogram(
            "seqguard_sync_batch_duration_seconds",
            "Time from having read a batch to its commit.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._behind_since: datetime | None = None
        lag = self._gauge("lag_seconds", "Age of the oldest change that was read and not applied, 0 for none.")
        lag.set_function(self._lag)
        self._backlog = self._gauge("backlog", "What waits at the source behind what was read.", "unit")
        self._at = self._gauge("applied_timestamp_seconds", "When the source wrote the last applied change.")
        self._committed = self._gauge("commit_timestamp_seconds", "When the target last committed a batch.")
        self._position = self._gauge(
            "position", "Numbers of the position stored in the target.", "stream", "part"
        )

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"seqguard_sync_{name}", meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(f"seqguard_sync_{name}", meaning, labels, registry=self.registry)

    def letters(self, count: Callable[[], Mapping[str, Mapping[str, int]]]) -> None:
        """Count letters, by source table and state, whenever somebody reads the metrics."""
        self.registry.register(_Letters(count))

    def committed(self, at: datetime) -> None:
        """The target had last committed at that time, before this worker began."""
        self._committed.set(at.timestamp())

    def applied(self, seconds: float, at: datetime | None) -> None:
        """A batch was committed; the last of its changes was written at that time."""
        self._batches.inc()
        self._seconds.observe(seconds)
        self._committed.set_to_current_time()
        if at is not None:
            self._at.set(at.timestamp())

    def events(self, table: str, count: int) -> None:
        """Changes of a source table were applied."""
        self._events.labels(table).inc(count)

    def rows(self, upserts: int, deletes: int) -> None:
        """Rows were written."""
        self._rows.labels("upsert").inc(upserts)
        self._rows.labels("delete").inc(deletes)

    def dead(self, table: str, count: int) -> None:
        """Changes of a source table became dead letters."""
        self._dead.labels(table).inc(count)

    def behind_since(self, at: datetime | None) -> None:
        """The target lacks what the source wrote from that time on, nothing for None."""
        self._behind_since = at

    def _lag(self) -> float:
        since = self._behind_since
        return max(0.0, (datetime.now(UTC) - since).total_seconds()) if since else 0.0

    def backlog(self, unit: str, count: int) -> None:
        """How much waits at the source, in events or bytes."""
        self._backlog.labels(unit).set(count)

    def failed(self) -> None:
        """An error that passes: there will be another try."""
        self._retries.inc()
        self._failing.set(1)

    def recovered(self) -> None:
        """The work goes on."""
        self._failing.set(0)

    def stopped(self, tables: int) -> None:
        """So many source tables are stopped."""
        self._stopped.set(tables)

    def position(self, stream: str, offset: Offset) -> None:
        """The numbers in an offset: a place in a file, an offset in a partition."""
        for part, value in offset.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                self._position.labels(stream, part).set(value)


@contextmanager
def served(metrics: Metrics, address: str, port: int) -> Iterator[None]:
    """Let Prometheus read the metrics at http://ADDRESS:PORT/metrics.

    Raises SeqguardError when the port is taken.
    """
    try:
        server, thread = start_http_server(port, address, metrics.registry)
    except OSError as error:
        raise SeqguardError(f"cannot serve metrics on {address}:{port}: {error.strerror}") from None
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
