"""What seqguard raises."""


class SeqguardError(Exception):
    """A command that could not run: one line that says what, why and what to do next."""
