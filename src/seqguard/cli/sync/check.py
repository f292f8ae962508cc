"""seqguard sync check."""

import click


@click.command(short_help="Check a mapping file against both databases.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
def check(file: str) -> None:
    """Check FILE against the catalogs of both databases. Writes nothing."""
    from seqguard.sync import config

    config.load(file)
