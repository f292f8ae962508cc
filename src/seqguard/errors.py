"""What seqguard raises."""


class SeqguardError(Exception):
    """A command that could not run: one line that says what, why and what to do next."""

    @property
    def lines(self) -> tuple[str, ...]:
        """The message; of several errors told together, one line for each."""
        return (str(self),)
