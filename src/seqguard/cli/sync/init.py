"""seqguard sync init."""

import click

from seqguard.cli.common import connected, conninfo_argument, conninfo_of


@click.command(short_help="Write a starting mapping file.")
@conninfo_argument
@click.option("--database", metavar="NAME", required=True, help="The MySQL database.")
@click.option("--option-file", type=click.Path(dir_okay=False), help="MySQL's option file.")
@click.option("-n", "--schema", default="public", show_default=True, help="The target's schema.")
@click.option(
    "--server-id",
    type=click.IntRange(1, 2**32 - 1),
    default=4711,
    show_default=True,
    help="What sync calls itself as a replica of MySQL.",
)
def init(conninfo: str, database: str, option_file: str | None, schema: str, server_id: int) -> None:
    """Print a starting mapping file: tables and columns of the same names, and guesses as comments.

    CONNINFO is the target. Reads both catalogs, writes nothing to them.

    \b
    seqguard sync init --database revamp_db service=legacy > sync.toml
    """  # noqa: D301 - click takes a backspace for "do not wrap"
    from seqguard.sync.checking import starting
    from seqguard.sync.checking.examining import propose, without_secrets
    from seqguard.sync.mapping.config import MySQL

    where = MySQL(database, option_file)
    target = conninfo_of(conninfo)
    with connected(conninfo) as connection:
        pairs, unmatched = propose(connection, where, schema)
    ends = starting.Ends(database, where, server_id, without_secrets(target))
    click.echo(starting.starting_file(ends, pairs, unmatched), nl=False)
