"""seqguard sync run."""

import click


@click.command(short_help="Bring rows over, and keep doing it.")
@click.argument("file", type=click.Path(dir_okay=False))
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    default=5_000,
    show_default=True,
    help="Take no more changes than this into one transaction.",
)
@click.option("--until-caught-up", is_flag=True, help="Stop, with exit code 0, when nothing is left to do.")
@click.option("--snapshot", is_flag=True, help="Copy the tables again first.")
@click.option(
    "--metrics-port", type=click.IntRange(1, 65535), help="Serve metrics for Prometheus on this port."
)
@click.option(
    "--metrics-address",
    default="127.0.0.1",
    show_default=True,
    help="The address to serve them on; 0.0.0.0 for every one.",
)
def run(
    file: str,
    batch_size: int,
    until_caught_up: bool,
    snapshot: bool,
    metrics_port: int | None,
    metrics_address: str,
) -> None:
    """Bring the rows that FILE maps over into PostgreSQL, then every change, until SIGTERM or Ctrl-C.

    Goes on where it last committed; the first time, with a copy of the tables. Exit code 0 when it was asked
    to stop and did in good order, 2 when it could not run, 130 or 143 when a batch had to be cut off.
    """
    from seqguard.sync.mapping import config
    from seqguard.sync.running import service
    from seqguard.sync.running.worker import Limits

    mapping = config.load(file)
    limits = Limits(batch_size=batch_size, until_caught_up=until_caught_up)
    service.run(mapping, service.Options(limits, snapshot, metrics_address, metrics_port))
