"""seqguard sync check."""

import click

from seqguard.cli.common import connected, formatted


@click.command(short_help="Check a mapping file against both databases.")
@click.argument("file", type=click.Path(dir_okay=False))
@formatted("table", "json")
@click.pass_context
def check(context: click.Context, file: str, output: str) -> None:
    """Check FILE against both databases: tables, columns, keys, types, privileges, and the binlog's settings.

    Writes nothing. Exit code 0 when rows can go over, 1 when something keeps them from it. For a Kafka
    source, the source's catalog is read only if [source.mysql] says where it is.
    """
    from seqguard.render import as_findings
    from seqguard.sync.checking.examining import examine
    from seqguard.sync.mapping import config

    mapping = config.load(file)
    with connected(mapping.conninfo) as connection:
        examination = examine(mapping, connection)
    found = [as_findings.Shown(f.table, f.key, f.text, f.warning) for f in examination.findings]
    if output == "json":
        click.echo(as_findings.as_json(file, found))
    else:
        click.echo(as_findings.text(file, len(mapping.tables), found))
    context.exit(1 if examination.errors else 0)
