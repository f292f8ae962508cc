"""Text that a terminal shows as it is."""


def printable(text: str) -> str:
    """A name can hold anything, escape sequences of terminals included: they are spelt out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
