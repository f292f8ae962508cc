"""A password is in no output, no error and no server log, however it is given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from console import run

from seqguard.demo.server import throwaway

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seqguard.demo.server import Server

SECRET = "xyzzy-plugh"


@pytest.fixture(scope="module")
def logging_server() -> Iterator[Server]:
    """A server that asks for passwords over TCP and logs every statement and connection."""
    from conftest import binaries

    everything = {
        "password_encryption": "scram-sha-256",
        "log_statement": "all",
        "log_connections": "on",
        "log_min_messages": "debug1",
    }
    with throwaway(binaries(), {**everything, "log_min_error_statement": "debug1"}) as server:
        data = server.folder / "data"
        (data / "pg_hba.conf").write_text("local all postgres trust\nlocal all all scram-sha-256\n")
        server.control("reload")
        import psycopg

        with psycopg.connect(server.conninfo(), autocommit=True) as admin:
            admin.execute("SET log_statement = none")
            admin.execute(f"CREATE ROLE keeper LOGIN SUPERUSER PASSWORD '{SECRET}'")
            admin.execute("CREATE TABLE t (id serial); INSERT INTO t VALUES (5)")
        (server.folder / "log").write_text("")
        yield server


def forms(server: Server, password: str) -> dict[str, tuple[list[str], dict[str, str]]]:
    """Each way to give a password: arguments and environment."""
    host = {"PGHOST": str(server.folder), "PGUSER": "keeper", "PGDATABASE": "postgres"}
    passfile = server.folder / "passfile"
    passfile.write_text(f"*:*:*:*:{password}\n")
    passfile.chmod(0o600)
    services = server.folder / "services"
    services.write_text(f"[it]\nhost={server.folder}\nuser=keeper\ndbname=postgres\npassword={password}\n")
    return {
        "keywords": ([f"host={server.folder} user=keeper dbname=postgres password={password}"], {}),
        "URI": ([f"postgresql://keeper:{password}@/postgres?host={server.folder}"], {}),
        "URI parameter": ([f"postgresql:///postgres?user=keeper&password={password}&host={server.folder}"], {}),
        "PGPASSWORD": ([], {**host, "PGPASSWORD": password}),
        "passfile": ([], {**host, "PGPASSFILE": str(passfile)}),
        "service file": (["service=it"], {"PGSERVICEFILE": str(services)}),
    }


FORMS = ("keywords", "URI", "URI parameter", "PGPASSWORD", "passfile", "service file")
COMMANDS = (["check"], ["fix"], ["guard", "--list"])


@pytest.mark.parametrize("form", FORMS)
def test_a_password_is_in_no_output_and_no_log(logging_server: Server, form: str) -> None:
    for command in COMMANDS:
        arguments, variables = forms(logging_server, SECRET)[form]
        result = run(*command[:1], *arguments, *command[1:], **variables)
        assert result.code in {0, 1}, result.err
        assert SECRET not in result.out + result.err
    log = (logging_server.folder / "log").read_text(errors="replace")
    assert "statement: " in log or "execute <unnamed>: " in log
    assert SECRET not in log


MISPLACED: tuple[list[str], ...] = (
    [],
    ["sync"],
    ["script"],
    ["demo"],
    ["sync", "check"],
    ["check", "--lock-timeout"],
)


@pytest.mark.parametrize("words", MISPLACED, ids=" ".join)
@pytest.mark.parametrize(
    "conninfo", ["postgresql://keeper:{}@host/db", "host=h password={}", "password='{} x'"]
)
def test_a_connection_string_where_none_belongs_is_shown_without_its_password(
    words: list[str], conninfo: str
) -> None:
    result = run(*words, conninfo.format(SECRET))
    assert result.code == 2
    assert SECRET not in result.out + result.err


@pytest.mark.parametrize("form", FORMS)
def test_a_wrong_password_is_in_no_error_and_no_log(logging_server: Server, form: str) -> None:
    wrong = "frobozz-magic"
    arguments, variables = forms(logging_server, wrong)[form]
    result = run("check", *arguments, **variables)
    assert result.code == 2
    assert "password authentication failed" in result.err
    assert wrong not in result.out + result.err
    assert wrong not in Path(logging_server.folder / "log").read_text(errors="replace")
