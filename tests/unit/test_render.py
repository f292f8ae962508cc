"""What the renderers make of a report."""

from __future__ import annotations

import json
from dataclasses import replace

import click
from facts import FACT, readings

from seqguard.model import Repair, Report, SequenceReport
from seqguard.render import as_json, as_sql, as_table
from seqguard.rules import report_on


def sequence(
    name: str, *furthest: int | None, last_value: int = 1, unjudged: str | None = None
) -> SequenceReport:
    fact = FACT._replace(
        sequence=f"public.{name}_id_seq",
        sequence_name=f"{name}_id_seq",
        table_name=name,
        table=f"public.{name}",
        unjudged=unjudged,
    )
    return report_on((fact,) * len(furthest), readings(*furthest, last_value=last_value))


REPORT = Report(
    "18.0",
    "shop",
    (
        sequence("orders", 4, last_value=4),
        sequence("users", 16, 9),
        sequence("codes", None, unjudged="cannot judge the default f(nextval('s'))"),
    ),
)


def plain(text: str) -> list[str]:
    return click.unstyle(text).splitlines()


def test_the_table_shows_what_needs_attention_and_the_next_command() -> None:
    assert plain(as_table.check(REPORT)) == [
        "sequence             feeds                       next value  furthest  status",
        "public.users_id_seq  public.users.id and 1 more           2        16  behind",
        "public.codes_id_seq  public.codes.id                      2         -  unjudged",
        "  public.codes_id_seq: unjudged: public.codes.id: cannot judge the default f(nextval('s'))",
        "3 sequences: 1 ok, 1 behind, 1 unjudged.",
        "Next: seqguard fix moves them forward; seqguard guard keeps them there.",
    ]


def test_the_table_shows_everything_on_request() -> None:
    assert "public.orders_id_seq  public.orders.id                     5         4  ok" in plain(
        as_table.check(REPORT, everything=True)
    )


def test_the_table_of_a_database_in_sync_is_one_line() -> None:
    assert plain(as_table.check(replace(REPORT, sequences=REPORT.sequences[:1]))) == ["1 sequence: 1 ok."]


def test_the_table_of_fix_tells_what_moved_and_why_the_rest_did_not() -> None:
    moved = replace(sequence("users", 16, last_value=16), repair=Repair(16))
    left = replace(sequence("likes", 16), repair=Repair(problem="in use"))
    assert plain(as_table.fix(replace(REPORT, sequences=(moved, left)))) == [
        "moved  public.users_id_seq: next value is 17",
        "left   public.likes_id_seq: behind. in use",
        "1 moved forward, 1 left, 1 in sync.",
    ]


def test_json_has_the_promised_keys() -> None:
    printed = json.loads(as_json.report(REPORT))
    assert set(printed) == {"server_version", "database", "summary", "sequences"}
    assert set(printed["sequences"][0]) == {
        "sequence",
        "status",
        "next_value",
        "furthest",
        "last_value",
        "is_called",
        "increment",
        "target",
        "guarded",
        "columns",
        "notes",
    }
    assert set(printed["sequences"][0]["columns"][0]) == {"table", "column", "kind", "furthest", "indexed"}


def test_json_counts_every_status() -> None:
    assert json.loads(as_json.report(REPORT))["summary"] == {
        "ok": 1,
        "behind": 1,
        "exhausted": 0,
        "unreadable": 0,
        "unjudged": 1,
    }


def test_json_keeps_every_digit() -> None:
    report = replace(REPORT, sequences=(sequence("t", 2**63 - 3),))
    assert json.loads(as_json.report(report))["sequences"][0]["furthest"] == 2**63 - 3


def test_json_tells_what_fix_did() -> None:
    report = replace(REPORT, sequences=(replace(REPORT.sequences[0], repair=Repair(4)),))
    assert json.loads(as_json.report(report))["sequences"][0]["repair"] == {"moved_to": 4, "problem": None}


def test_sql_tells_what_it_leaves() -> None:
    assert (
        "-- left as it is: public.codes_id_seq is unjudged."
        " unjudged: public.codes.id: cannot judge the default f(nextval('s'))"
    ) in as_sql.repairs(REPORT).splitlines()


def test_sql_of_a_database_in_sync_moves_nothing() -> None:
    lines = as_sql.repairs(replace(REPORT, sequences=REPORT.sequences[:1])).splitlines()
    assert {line.split()[0] for line in lines if line} == {"SET", "--", "RESET"}


def test_sql_puts_back_what_it_sets() -> None:
    words = [line.rstrip(";").split() for line in as_sql.repairs(REPORT).splitlines() if line]
    names = {verb: [line[1] for line in words if line[0] == verb] for verb in ("SET", "RESET")}
    assert names["SET"] == names["RESET"]


def test_a_name_cannot_leave_its_comment() -> None:
    report = replace(
        REPORT, sequences=(replace(REPORT.sequences[2], sequence='public."a\nDROP TABLE b;\r--"'),)
    )
    assert not [line for line in as_sql.repairs(report).splitlines() if line.startswith("DROP")]


def test_a_sequence_that_only_its_owner_can_move_so_far_is_told_in_sql() -> None:
    far = report_on((FACT._replace(is_owner=False, sequence_owner="alice"),), readings(20_000_000))
    left = "-- left as it is: public.t_id_seq. only its owner alice can move it"
    assert left in as_sql.repairs(replace(REPORT, sequences=(far,)))


def test_sql_names_its_encoding_before_any_name() -> None:
    assert as_sql.repairs(REPORT).startswith("SET client_encoding = 'UTF8';\n")


def test_a_comment_in_sql_cannot_send_escape_sequences_to_the_terminal() -> None:
    report = replace(REPORT, sequences=(replace(REPORT.sequences[2], sequence='public."a\x1b[2Jb"'),))
    assert "\x1b" not in as_sql.repairs(report)
