"""What docs/security.md says that each command needs is enough, and none of it can be left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from console import run

import seqguard

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Connect, Connection

CHECK = (
    "GRANT USAGE ON SCHEMA app TO {role}",
    "GRANT SELECT (id) ON app.t TO {role}",
    "GRANT SELECT ON SEQUENCE app.t_id_seq TO {role}",
)
FIX = (*CHECK, "GRANT USAGE ON SEQUENCE app.t_id_seq TO {role}")
OWNER = ("GRANT USAGE, CREATE ON SCHEMA app TO {role}", "ALTER TABLE app.t OWNER TO {role}")
GUARD = (*OWNER, "GRANT CREATE ON DATABASE {database} TO {role}")


def checks(session: Connection) -> bool:
    return [report.status for report in seqguard.check(session).sequences] == ["behind"]


def fixes(session: Connection) -> bool:
    return seqguard.fix(session).in_sync


def guards(session: Connection) -> bool:
    try:
        return [guard.state for guard in seqguard.guard(session)] == ["installed"]
    except seqguard.SeqguardError:
        return False


def inserts(session: Connection) -> bool:
    session.execute("INSERT INTO app.t (id) VALUES (5000)")
    return True


NEEDS: dict[str, tuple[Callable[[Connection], bool], tuple[str, ...]]] = {
    "check": (checks, CHECK),
    "fix": (fixes, FIX),
    "guard": (guards, GUARD),
}


@pytest.fixture
def app(db: Connection) -> Connection:
    """A table in a schema of its own, whose sequence is behind."""
    db.execute("CREATE SCHEMA app; CREATE TABLE app.t (id serial, secret text); INSERT INTO app.t VALUES (10)")
    return db


@pytest.mark.parametrize("command", NEEDS)
def test_the_documented_privileges_are_enough(
    app: Connection, connect: Connect, role: str, command: str
) -> None:
    works, needs = NEEDS[command]
    for grant in needs:
        app.execute(grant.format(role=role, database=app.info.dbname).encode())
    assert works(connect(user=role))


@pytest.mark.parametrize(
    ("command", "left_out"),
    [(command, number) for command, (_, needs) in NEEDS.items() for number in range(len(needs))
     if (command, number) != ("guard", 0)],
)  # fmt: skip
def test_none_of_the_documented_privileges_can_be_left_out(
    app: Connection, connect: Connect, role: str, command: str, left_out: int
) -> None:
    works, needs = NEEDS[command]
    for grant in (grant for number, grant in enumerate(needs) if number != left_out):
        app.execute(grant.format(role=role, database=app.info.dbname).encode())
    assert not works(connect(user=role))


def test_unguarding_a_table_needs_only_its_ownership(app: Connection, connect: Connect, role: str) -> None:
    seqguard.guard(app)
    app.execute(f"GRANT USAGE, CREATE ON SCHEMA app TO {role}; ALTER TABLE app.t OWNER TO {role}")
    assert [guard.state for guard in seqguard.unguard(connect(user=role), "app.t")] == ["missing"]


def test_inserting_into_a_guarded_table_needs_only_insert(app: Connection, connect: Connect, role: str) -> None:
    seqguard.guard(app)
    app.execute(f"GRANT USAGE ON SCHEMA app TO {role}; GRANT INSERT (id) ON app.t TO {role}")
    assert inserts(connect(user=role))


def test_script_needs_no_database() -> None:
    result = run("script", PGHOST="/nowhere")
    assert (result.code, result.err) == (0, "")
