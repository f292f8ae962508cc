"""seqguard keeps PostgreSQL sequences ahead of the columns that they feed.

    report = seqguard.check(connection)
    report = seqguard.fix(connection)
    seqguard.guard(connection, "public.users")

Each takes a psycopg 3 connection that the caller owns and leaves open. In a
transaction of the caller's they work inside it and never commit it; on an
autocommit connection each step is a transaction of its own.
"""

from seqguard.check import check
from seqguard.errors import SeqguardError
from seqguard.fix import fix
from seqguard.guard import guard, guards, unguard
from seqguard.model import Guard, Report, SequenceReport
from seqguard.script import script
from seqguard.version import __version__

__all__ = [
    "Guard",
    "Report",
    "SeqguardError",
    "SequenceReport",
    "__version__",
    "check",
    "fix",
    "guard",
    "guards",
    "script",
    "unguard",
]
