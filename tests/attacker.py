"""An attacker, and a canary that tells when code of his ran with somebody else's rights.

The canary is a sequence: setval is not undone when the transaction in which it sang is rolled back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from conftest import Connect, Connection, one

if TYPE_CHECKING:
    from collections.abc import Callable

BOOM = """
    CREATE FUNCTION {schema}.boom() RETURNS int VOLATILE LANGUAGE plpgsql SET search_path = pg_catalog AS $$BEGIN
        IF current_user <> '{name}' THEN PERFORM setval('public.canary', 666); END IF;
        RETURN 1;
    END$$;
    CREATE FUNCTION {schema}.evil(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
        $$BEGIN PERFORM {schema}.boom(); RETURN $1; END$$"""


@dataclass(frozen=True)
class Attacker:
    """A role that is no superuser, its schema `lair` with functions boom() and evil(int), its session."""

    name: str
    session: Connection
    open: Callable[[], Connection]

    def do(self, statements: str) -> None:
        """Run statements in the attacker's session."""
        self.session.execute(statements.encode())


@pytest.fixture
def canary(db: Connection) -> Callable[[], bool]:
    """Whether a function of the attacker's has run as another role."""
    db.execute("CREATE SEQUENCE public.canary; GRANT ALL ON SEQUENCE public.canary TO PUBLIC")
    return lambda: bool(one(db, "SELECT last_value FROM public.canary") == 666)


@pytest.fixture
def attacker(db: Connection, connect: Connect, role: str, canary: Callable[[], bool]) -> Attacker:
    """An ordinary role that may make schemas, has one, and traps in it."""
    db.execute(f"CREATE SCHEMA lair AUTHORIZATION {role}; GRANT CREATE ON DATABASE {db.info.dbname} TO {role}")

    def open_one() -> Connection:
        session = connect(user=role)
        session.execute("SET search_path = lair")
        return session

    session = open_one()
    session.execute(BOOM.format(schema="lair", name=role).encode())
    assert not canary()
    return Attacker(role, session, open_one)


@pytest.fixture
def stranger(db: Connection, connect: Connect, role: str) -> Connection:
    """A session of a role with no privilege at all but CONNECT."""
    assert one(db, "SELECT count(*) FROM pg_auth_members WHERE member = %s::regrole", [role]) == 0
    return connect(user=role)
