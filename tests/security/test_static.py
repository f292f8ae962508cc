"""Static analysis of what is installed: plpgsql_check on the functions, squawk on the script."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

import seqguard
from seqguard.demo.server import throwaway
from seqguard.script import installation, sql_script

DEBIAN = sorted(Path("/usr/share/postgresql").glob("*/extension/plpgsql_check.control"))

EXECUTED = "text type variable is not sanitized"
MAY_EXECUTE_TEXT = {
    "read_furthest": "a name and a query that fed_columns.sql puts together with format(%I, %L)",
    "install_guard": "the arguments of the trigger, put together by fed_columns.sql in the same way",
    "furthest": "the name of a column and a regclass, by format(%I, %s)",
    "advance": "a statement that this schema puts together with format(%I, %L)",
}
ONLY_ON_18 = ("advance_to", "read_state")
NOT_BEFORE_18 = "function pg_get_sequence_data(regclass) does not exist"
FINDINGS = """
    SELECT p.proname, c.message
    FROM pg_proc AS p
    JOIN pg_language AS l ON l.oid = p.prolang AND l.lanname = 'plpgsql'
    CROSS JOIN LATERAL plpgsql_check_function_tb(
        p.oid, relid => CASE WHEN p.prorettype = 'trigger'::regtype THEN 'public.users'::regclass ELSE 0 END,
        security_warnings => true) AS c
    WHERE p.pronamespace = 'seqguard'::regnamespace"""


def explained(function: str, message: str) -> bool:
    """Whether a finding is known, with a reason."""
    return (message == NOT_BEFORE_18 and function in ONLY_ON_18) or (
        message == EXECUTED and (function in MAY_EXECUTE_TEXT or function.startswith("advance_"))
    )


@pytest.mark.skipif(
    not DEBIAN, reason="plpgsql_check is not there: apt-get install postgresql-15-plpgsql-check as root"
)
def test_plpgsql_check_finds_nothing_unexplained() -> None:
    release = DEBIAN[-1].parent.parent.name
    binaries = Path("/usr/lib/postgresql") / release / "bin"  # where Debian has it
    with throwaway(binaries) as server, psycopg.connect(server.conninfo(), autocommit=True) as db:
        db.execute("CREATE EXTENSION plpgsql_check; CREATE TABLE public.users (id serial)")
        db.execute(installation().encode())
        seqguard.guard(db)
        found = db.execute(FINDINGS.encode()).fetchall()
    assert [finding for finding in found if not explained(*finding)] == []


def test_squawk_finds_nothing_in_the_script(tmp_path: Path) -> None:
    script = tmp_path / "script.sql"
    script.write_text(sql_script())
    # require-statement-timeout: each table waits for at most a second for its lock; a check of large tables takes its time
    command = [str(Path(sys.executable).parent / "squawk"), "--exclude=require-statement-timeout", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
