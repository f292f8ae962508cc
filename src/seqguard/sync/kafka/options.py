"""What librdkafka is told: our own properties, and those of the user's file."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqguard.errors import SeqguardError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DEFAULTS: Mapping[str, Any] = {
    "partition.assignment.strategy": "cooperative-sticky",
    "queued.max.messages.kbytes": 16_384,
    "topic.metadata.refresh.interval.ms": 30_000,
    "client.id": "seqguard",
}
_OURS: Mapping[str, Any] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
}


@dataclass(frozen=True, slots=True)
class Options:
    """Where the brokers are ("host:port,..."), the consumer group, and a file with librdkafka's properties."""

    servers: str
    group: str
    option_file: str | None = None


@contextmanager
def telling_mistakes() -> Iterator[None]:
    """Turn what librdkafka says of the properties that a client is made with into a SeqguardError."""
    import confluent_kafka

    try:
        yield
    except confluent_kafka.KafkaException as error:
        raise SeqguardError(f"Kafka: {error.args[0].str()}") from None


def is_cooperative(properties: Mapping[str, Any]) -> bool:
    """Whether a rebalance takes and gives single partitions, not all of them."""
    return bool(properties["partition.assignment.strategy"] == "cooperative-sticky")


def properties(options: Options) -> dict[str, Any]:
    """All properties of the consumer. Raises SeqguardError as KafkaSource does."""
    named = read_properties(options.option_file) if options.option_file else {}
    for name in (*_OURS, "bootstrap.servers", "group.id"):
        if name in named:
            raise SeqguardError(f"{options.option_file}: {name} is not for this file: seqguard sets it")
    return {
        **_DEFAULTS,
        **named,
        **_OURS,
        "bootstrap.servers": options.servers,
        "group.id": options.group,
    }


def producer_properties(servers: str, option_file: str | None) -> dict[str, Any]:
    """All properties of a producer that wants every message kept. Raises SeqguardError as properties() does."""
    named = read_properties(option_file) if option_file else {}
    return {"client.id": "seqguard", **named, "bootstrap.servers": servers, "acks": "all"}


def read_properties(path: str) -> dict[str, str]:
    """A file of librdkafka's properties: name=value, comments begin with #.

    Raises SeqguardError when it cannot be read; no value is in the message, it may be a password.
    """
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SeqguardError(f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8'}") from None
    found: dict[str, str] = {}
    for number, line in enumerate(map(str.strip, lines), 1):
        if line and not line.startswith("#"):
            name, sign, value = line.partition("=")
            if not sign:
                raise SeqguardError(f"{path}, line {number}: write name=value, as in librdkafka's properties")
            found[name.strip()] = value.strip()
    return found
