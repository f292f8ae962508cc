"""seqguard sync run: a mapping file, made into a worker at work."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqguard.sync.failure import NewColumnsError
from seqguard.sync.mapping.config import BinlogSource
from seqguard.sync.running import logs
from seqguard.sync.running.backlog import unit_of
from seqguard.sync.running.claiming import claimed
from seqguard.sync.running.metrics import Metrics, served
from seqguard.sync.running.opening import fitting_pairs, open_source
from seqguard.sync.running.publishing import Publisher
from seqguard.sync.running.status import counts, last_commit
from seqguard.sync.running.stopping import stop_on_signals
from seqguard.sync.running.watch import Reporter
from seqguard.sync.running.worker import Limits, Worker
from seqguard.sync.writing.writer import Writer

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from structlog.typing import FilteringBoundLogger

    from seqguard.sync.mapping.config import Config, LetterTopic
    from seqguard.sync.mapping.table import TableMapping
    from seqguard.sync.running.opening import Pair


@dataclass(frozen=True, slots=True)
class Options:
    """How to run. metrics_port is None when nobody reads the metrics."""

    limits: Limits
    snapshot: bool
    metrics_address: str
    metrics_port: int | None


def run(config: Config, options: Options) -> None:
    """Work until a signal comes or, when asked for, until nothing is left.

    Raises SeqguardError when the mapping does not fit the databases, and for what no further try can mend.
    """
    logger = logs.configure()
    metrics = Metrics()
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_signals())
        if options.metrics_port is not None:
            stack.enter_context(served(metrics, options.metrics_address, options.metrics_port))
        pairs = fitting_pairs(
            config,
            lambda one: logger.warning("check", table=one.table, key=one.key, text=one.text),
            snapshot=options.snapshot,
        )
        if isinstance(config.source, BinlogSource):
            stack.enter_context(_claimed(config, stop, logger))
        _begin(metrics, config)
        source = open_source(config, pairs, snapshot=options.snapshot)
        writer = Writer(config.conninfo, config.name, [mapping for mapping, _ in pairs])
        if config.dead_letters:
            publisher = _publisher(config, config.dead_letters, logger)
            stack.callback(publisher.close)
        watch = Reporter(logger, metrics, unit_of(config), lambda: getattr(source, "progress", None))
        stack.callback(watch.close)
        logger.info("starting", sync=config.name, tables=len(pairs))
        try:
            while news := _worked(Worker(source, writer, watch, stop, options.limits)):
                logger.info("new columns go over", table=news.table, columns=sorted(news.columns))
                pairs = _widened(pairs, news, writer)
                source = open_source(config, pairs, snapshot=False)
        except KeyboardInterrupt:
            logger.warning("stopped: the batch that was under way is rolled back")
            raise
        logger.info("stopped")


def _worked(worker: Worker) -> NewColumnsError | None:
    """Work; return at the end None, or else which columns came that a mapping waits for."""
    try:
        worker.run()
    except NewColumnsError as news:
        return news
    return None


def _widened(pairs: Sequence[Pair], news: NewColumnsError, writer: Writer) -> Sequence[Pair]:
    """The mappings with the columns that came."""
    found = [
        (_with(mapping, news.columns) if mapping.source == news.table else mapping, target)
        for mapping, target in pairs
    ]
    for mapping, _ in found:
        writer.map_with(mapping)
    return found


def _with(mapping: TableMapping, came: frozenset[str]) -> TableMapping:
    return mapping.awaiting(mapping.awaited.keys() - came)


def _begin(metrics: Metrics, config: Config) -> None:
    """What is known before the first batch."""
    at = last_commit(config)
    if at:
        metrics.committed(at)
    metrics.letters(lambda: counts(config))


def _claimed(
    config: Config, stop: threading.Event, logger: FilteringBoundLogger
) -> AbstractContextManager[None]:
    return claimed(
        config.conninfo,
        f"seqguard_sync {config.name} binlog",
        stop,
        lambda who: logger.warning("waiting for the other worker of this sync", who=who),
    )


def _publisher(config: Config, where: LetterTopic, logger: FilteringBoundLogger) -> Publisher:
    from seqguard.sync.kafka.producing import Topic

    topic = Topic(where.bootstrap_servers, where.topic, where.option_file)
    return Publisher(
        config.conninfo, config.name, topic, lambda why: logger.warning("dead letters not published", why=why)
    )
