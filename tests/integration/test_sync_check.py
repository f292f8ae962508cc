"""sync check: a mapping against the catalogs of a real PostgreSQL and a real MariaDB."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from conftest import rows
from console import run
from mariadb import Execute, database, execute, mariadb
from mariadb import run as in_mariadb

import seqguard
from seqguard.sync.checking.examining import examine
from seqguard.sync.mapping import config
from seqguard.sync.mysql.binlog_server import problems
from seqguard.sync.writing.positions import install

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Connection

    from seqguard.demo.mariadb import MariaDB
    from seqguard.sync.mapping.table import TableMapping

__all__ = ["database", "execute", "mariadb"]

Found = Callable[..., list[str]]

USERS = """
CREATE TABLE users (
    id integer NOT NULL PRIMARY KEY,
    nick varchar(20) NOT NULL,
    state enum('On', 'Off') NOT NULL)
"""
PEOPLE = "CREATE TABLE people (id serial PRIMARY KEY, name varchar(20) NOT NULL, state text NOT NULL)"
TABLE = '[[table]]\nsource = "users"\ntarget = "people"\nkey = ["id"]\ncolumns.nick = "name"\n'


def file(mariadb: MariaDB, database: str, dsn: str, tables: str) -> str:
    return f"""
name = "test"
[source]
kind = "binlog"
database = "{database}"
option_file = "{mariadb.option_file}"
server_id = 4711
[target]
conninfo = "{dsn}"
{tables}"""


@pytest.fixture
def check(mariadb: MariaDB, database: str, dsn: str, db: Connection) -> Found:
    """Checks the tables of a mapping file; returns each finding as text."""

    def found(tables: str = TABLE) -> list[str]:
        read = config.parse(file(mariadb, database, dsn, tables))
        findings = examine(read, db).findings
        return [f"{'warning' if one.warning else 'error'}: {one.key}: {one.text}" for one in findings]

    return found


def create(execute: Execute, db: Connection) -> None:
    execute(USERS)
    db.execute(PEOPLE)


@pytest.fixture
def tables(execute: Execute, db: Connection) -> None:
    """Two tables that agree."""
    create(execute, db)


@pytest.fixture
def changed(check: Found, execute: Execute, db: Connection) -> Found:
    """What is found after statements in the source, in the target, and more lines in the file."""
    create(execute, db)

    def found(source: str = "", target: str = "", lines: str = "") -> list[str]:
        if source:
            execute(source)
        if target:
            db.execute(target.encode())
        return check(TABLE + lines)

    return found


def test_nothing_is_found_where_everything_agrees(changed: Found) -> None:
    assert changed() == []


@pytest.mark.usefixtures("tables")
def test_the_mapping_of_tables_that_agree_names_every_column(
    mariadb: MariaDB, database: str, dsn: str, db: Connection
) -> None:
    mapping = the_mapping(config.parse(file(mariadb, database, dsn, TABLE)), db)
    assert mapping.columns == {"id": "id", "nick": "name", "state": "state"}


def the_mapping(read: config.Config, db: Connection) -> TableMapping:
    (mapping,) = examine(read, db).mappings
    return mapping


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("DROP TABLE users", "error: source: database {} has no such table"),
        ("RENAME TABLE users TO user", "error: source: database {} has no such table (did you mean user?)"),
        ("ALTER TABLE users RENAME COLUMN nick TO nickname", "error: columns.nick: users has no column nick"),
        ("ALTER TABLE users ADD avatar blob", "error: columns.avatar: public.people has no column avatar"),
        ("ALTER TABLE users MODIFY nick varchar(21) NOT NULL", "warning: columns.nick: nick is varchar(21),"),
        ("ALTER TABLE users MODIFY nick varchar(20)", "warning: columns.nick: nick may be NULL"),
        (
            "ALTER TABLE users DROP PRIMARY KEY",
            "error: key: users has neither a primary key nor a unique index",
        ),
        (
            "ALTER TABLE users DROP PRIMARY KEY, ADD UNIQUE (nick)",
            "error: key: (id) is not unique in users: rows that agree in it would overwrite each other. (nick) would do",
        ),
        ("ALTER TABLE users DROP PRIMARY KEY, MODIFY id int, ADD UNIQUE (id)", "error: key: users has neither"),
        ("ALTER TABLE users MODIFY id bigint NOT NULL", "warning: columns.id: id is bigint(20),"),
        ("ALTER TABLE users MODIFY id datetime NOT NULL", "error: columns.id: id is datetime,"),
    ],
)
def test_what_the_source_lacks_or_holds(source: str, expected: str, changed: Found, database: str) -> None:
    assert any(one.startswith(expected.format(database)) for one in changed(source))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("DROP TABLE people", "error: target: the target has no table public.people"),
        ("ALTER TABLE people RENAME TO persons; CREATE VIEW people AS TABLE persons",
         "error: target: public.people is a view: name the table behind it"),
        ("ALTER TABLE people RENAME name TO names",
         "error: columns.nick: public.people has no column name (did you mean names?)"),
        ("ALTER TABLE people DROP CONSTRAINT people_pkey",
         "error: key: public.people has no unique index on (id)"),
        ("ALTER TABLE people DROP CONSTRAINT people_pkey, ADD UNIQUE (id) DEFERRABLE",
         "error: key: public.people has no unique index on (id)"),
        ("ALTER TABLE people DROP CONSTRAINT people_pkey; CREATE UNIQUE INDEX ON people (id) WHERE id > 5",
         "error: key: public.people has no unique index on (id)"),
        ("ALTER TABLE people ADD born date NOT NULL",
         "error: constants.born: public.people.born is NOT NULL without a default, and nothing fills it"),
        ("ALTER TABLE people DROP name, ADD name text GENERATED ALWAYS AS (id::text) STORED",
         "error: columns.nick: name is GENERATED ALWAYS AS (...)"),
        ("ALTER TABLE people ALTER name TYPE varchar(5)", "warning: columns.nick: nick is varchar(20),"),
        ("ALTER TABLE people ALTER name TYPE integer USING 1", "warning: columns.nick: nick is varchar(20),"),
        ("CREATE TYPE state AS ENUM ('On'); ALTER TABLE people ALTER state TYPE state USING 'On'",
         "error: columns.state: state is enum('On','Off'), public.people.state is public.state: it does not fit"),
        ("CREATE TABLE parent (id int PRIMARY KEY); ALTER TABLE people ADD FOREIGN KEY (id) REFERENCES parent",
         "warning: target: public.people references public.parent, which no table of the file goes to"),
    ],
)  # fmt: skip
def test_what_the_target_lacks_or_refuses(target: str, expected: str, changed: Found) -> None:
    assert [one for one in changed(target=target) if one.startswith(expected)] != []


@pytest.mark.parametrize(
    "target",
    [
        "ALTER TABLE people DROP id, ADD id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY",
        "ALTER TABLE people ADD born date NOT NULL DEFAULT now()",
        "CREATE DOMAIN state AS text NOT NULL; ALTER TABLE people ALTER state TYPE state",
        "CREATE TYPE state AS ENUM ('On', 'Off'); ALTER TABLE people ALTER state TYPE state USING 'On'",
        "ALTER TABLE people ADD boss int REFERENCES people",
    ],
)
def test_what_agrees_no_less(target: str, changed: Found) -> None:
    assert changed(target=target) == []


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ('leave_out = ["avatar"]', "warning: leave_out: users has no column avatar"),
        ('columns.stat = "x"', "error: columns.stat: users has no column stat (did you mean state?)"),
        ('ignore.sorce = ["x"]', "error: ignore.sorce: users has no column sorce"),
        ("only.nick = [5]", "error: only.nick: the column is varchar(20): write 5 in quotes"),
        ('only.id = ["5"]', "error: only.id: the column is int(11): write 5 without quotes"),
        ('only.state = ["on"]', "error: only.state: the column is enum('On','Off'), which never is 'on'"),
        ('constants.born = "x"', "error: constants.born: public.people has no column born"),
        ('values.state = { On = "on" }', "error: values.state: has nothing for 'Off'"),
        (
            'values.state = { On = "1", Off = "0", Of = "0" }',
            "warning: values.state.Of: the source never holds it",
        ),
    ],
)
def test_what_the_file_says_wrongly(lines: str, expected: str, changed: Found) -> None:
    assert [one for one in changed(lines=lines) if one.startswith(expected)] != []


@pytest.mark.parametrize(
    ("kind", "value", "taken"),
    [
        ("integer", "5", True), ("integer", "2147483648", False), ("integer", '"five"', False),
        ("date", "2024-02-29", True), ("date", '"2024-02-30"', False), ("uuid", '"x"', False),
        ("varchar(3)", '"four"', False), ("jsonb", '"{"', False), ("boolean", "true", True),
    ],
)  # fmt: skip
def test_a_constant_is_tried_on_the_column(kind: str, value: str, taken: bool, changed: Found) -> None:
    found = changed(target=f"ALTER TABLE people ADD mark {kind}", lines=f"constants.mark = {value}")
    assert [one.startswith("error: constants.mark: ") for one in found] == ([] if taken else [True])


def test_a_result_of_values_is_tried_on_the_column(changed: Found) -> None:
    found = changed(
        target="ALTER TABLE people ALTER state TYPE integer USING 1",
        lines='values.state = { On = 1, Off = "no" }',
    )
    assert [one.partition(":")[2].split(": ")[0].strip() for one in found] == ["values.state.Off"]


def test_two_columns_of_one_target_column_are_an_error(changed: Found) -> None:
    found = changed("ALTER TABLE users ADD name text NOT NULL")
    assert [one for one in found if "name is already the target of nick" in one] != []


@pytest.mark.usefixtures("tables")
def test_missing_privileges_are_named(
    mariadb: MariaDB, database: str, dsn: str, db: Connection, role: str
) -> None:
    db.execute(f"GRANT SELECT, INSERT ON people TO {role}".encode())
    db.execute(f"SET ROLE {role}".encode())
    found = examine(config.parse(file(mariadb, database, dsn, TABLE)), db).findings
    db.execute("RESET ROLE")
    (name,) = rows(db, "SELECT pg_catalog.current_database()")[0]
    assert [(one.warning, one.text.partition(": GRANT ")[2].partition(", or")[0]) for one in found] == [
        (False, f"CREATE ON DATABASE {name} TO {role}"),
        (False, f"UPDATE, DELETE ON public.people TO {role}"),
        (True, f"USAGE, SELECT ON SEQUENCE public.people_id_seq TO {role}"),
    ]


@pytest.mark.usefixtures("tables")
def test_tables_that_lack_the_same_are_named_in_one_grant(
    mariadb: MariaDB, database: str, dsn: str, db: Connection, execute: Execute, role: str
) -> None:
    execute("CREATE TABLE posts (id int PRIMARY KEY)")
    db.execute("CREATE TABLE posts (id int PRIMARY KEY)")
    tables = TABLE + '[[table]]\nsource = "posts"\ntarget = "posts"\nkey = ["id"]\n'
    db.execute(f"SET ROLE {role}".encode())
    found = examine(config.parse(file(mariadb, database, dsn, tables)), db).findings
    db.execute("RESET ROLE")
    assert [one.text for one in found if "DELETE ON public.people, public.posts TO" in one.text] != [], found


@pytest.mark.parametrize("how", ["GRANT USAGE, SELECT ON SEQUENCE people_id_seq TO {}", "guard"])
@pytest.mark.usefixtures("tables")
def test_a_sequence_that_is_moved_by_someone_is_no_matter(
    mariadb: MariaDB, database: str, dsn: str, db: Connection, role: str, how: str
) -> None:
    db.execute(f"GRANT ALL ON people TO {role}".encode())
    if how == "guard":
        seqguard.guard(db, "people")
    else:
        db.execute(how.format(role).encode())
    db.execute(f"SET ROLE {role}".encode())
    found = examine(config.parse(file(mariadb, database, dsn, TABLE)), db).findings
    db.execute("RESET ROLE")
    assert not any("SEQUENCE" in one.text for one in found)


@pytest.mark.parametrize("deferrable", ["", "DEFERRABLE"])
def test_tables_that_reference_each_other_want_a_constraint_that_can_be_deferred(
    check: Found, execute: Execute, db: Connection, deferrable: str
) -> None:
    tables = ""
    for name in ("a", "b"):
        execute(f"CREATE TABLE {name} (id int PRIMARY KEY)")
        db.execute(f"CREATE TABLE {name} (id int PRIMARY KEY)".encode())
        tables += f'[[table]]\nsource = "{name}"\ntarget = "{name}"\nkey = ["id"]\n'
    db.execute("ALTER TABLE a ADD FOREIGN KEY (id) REFERENCES b")
    assert check(tables) == []
    db.execute(f"ALTER TABLE b ADD FOREIGN KEY (id) REFERENCES a {deferrable}".encode())
    assert ["public.a, public.b reference each other" in one for one in check(tables)] == [True] * (
        not deferrable
    )


@pytest.mark.parametrize(
    ("source", "target", "lacking"),
    [
        ("ON DELETE CASCADE", "", "ON DELETE CASCADE"),
        ("ON DELETE CASCADE", "ON DELETE SET NULL", "ON DELETE CASCADE"),
        ("ON DELETE CASCADE", "ON DELETE CASCADE", ""),
        ("ON DELETE SET NULL", "ON DELETE CASCADE", "ON DELETE SET NULL"),
        ("ON DELETE SET NULL", "ON DELETE SET NULL", ""),
        ("ON UPDATE CASCADE", "ON DELETE CASCADE", "ON UPDATE CASCADE"),
        ("ON UPDATE CASCADE ON DELETE CASCADE", "ON DELETE CASCADE", "ON UPDATE CASCADE"),
        ("ON UPDATE CASCADE ON DELETE CASCADE", "ON DELETE CASCADE ON UPDATE CASCADE", ""),
        ("ON DELETE RESTRICT", "", ""),
    ],
)
def test_a_key_that_changes_rows_at_the_source_wants_one_that_does_the_same(
    check: Found, execute: Execute, db: Connection, source: str, target: str, lacking: str
) -> None:
    execute("CREATE TABLE a (id int PRIMARY KEY)")
    execute(f"CREATE TABLE b (id int PRIMARY KEY, x int, FOREIGN KEY (x) REFERENCES a (id) {source})")
    db.execute("CREATE TABLE a (id int PRIMARY KEY)")
    db.execute(f"CREATE TABLE b (id int PRIMARY KEY, y int REFERENCES a {target})".encode())
    head = '[[table]]\nsource = "{0}"\ntarget = "{0}"\nkey = ["id"]\n'
    found = check(head.format("a") + head.format("b") + 'columns.x = "y"')
    assert [one.split(" is ")[1].split(",")[0] for one in found] == ([lacking] if lacking else [])


@pytest.mark.parametrize("left_out", [False, True])
def test_a_key_to_a_table_that_is_not_mapped_wants_it_mapped(
    check: Found, execute: Execute, db: Connection, left_out: bool
) -> None:
    execute("CREATE TABLE a (id int PRIMARY KEY)")
    execute("CREATE TABLE b (id int PRIMARY KEY, x int, FOREIGN KEY (x) REFERENCES a (id) ON DELETE SET NULL)")
    db.execute("CREATE TABLE b (id int PRIMARY KEY, x int)")
    leave_out = 'leave_out = ["x"]' if left_out else ""
    found = check(f'[[table]]\nsource = "b"\ntarget = "b"\nkey = ["id"]\n{leave_out}')
    assert ["that a goes to: map it, too" in one for one in found] == ([] if left_out else [True])


@pytest.mark.parametrize(
    ("grants", "lacking"),
    [
        ("REPLICATION SLAVE, BINLOG MONITOR", []),
        ("REPLICATION SLAVE", ["BINLOG MONITOR"]),
        ("BINLOG MONITOR", ["REPLICATION SLAVE"]),
        ("USAGE", ["REPLICATION SLAVE", "BINLOG MONITOR"]),
    ],
)
@pytest.mark.usefixtures("tables")
def test_an_account_that_may_not_read_the_binlog_is_told_the_grant(
    mariadb: MariaDB, database: str, dsn: str, db: Connection, grants: str, lacking: list[str], tmp_path: Path
) -> None:
    user, options = account(mariadb, database, grants, tmp_path)
    text = file(mariadb, database, dsn, TABLE).replace(mariadb.option_file, str(options))
    found = [str(one) for one in examine(config.parse(text), db).errors]
    in_mariadb(mariadb, None, f"DROP USER {user}")
    expected = (
        f"source: this account may not read the binlog: GRANT {', '.join(lacking)} ON *.* TO '{user}'@'%'"
    )
    assert found == ([expected] if lacking else [])


def account(mariadb: MariaDB, database: str, grants: str, folder: Path) -> tuple[str, Path]:
    """A user with some global privileges, and an option file to be that user."""
    user, options = f"{database}_reader", folder / "client.cnf"
    in_mariadb(mariadb, None, f"CREATE USER {user}", f"GRANT {grants} ON *.* TO {user}",
               f"GRANT SELECT ON {database}.* TO {user}")  # fmt: skip
    options.write_text(f"[client]\nuser = {user}\nsocket = {mariadb.folder / 'socket'}\n")
    return user, options


@pytest.mark.parametrize(
    ("setting", "value"), [("binlog_row_metadata", "NO_LOG"), ("binlog_format", "MIXED"), ("log_bin", "OFF")]
)
def test_a_setting_that_hides_rows_is_named_with_what_mends_it(setting: str, value: str) -> None:
    found = {"log_bin": "ON", "binlog_format": "ROW", "binlog_row_image": "FULL", "binlog_row_metadata": "FULL"}
    assert problems(found) == []
    (problem,) = problems({**found, setting: value})
    assert "\n" not in problem
    assert "my.cnf" in problem


@pytest.mark.usefixtures("tables")
def test_where_rows_go_over_already_a_column_that_only_the_source_has_is_a_warning(
    mariadb: MariaDB, database: str, dsn: str, db: Connection, execute: Execute
) -> None:
    read = config.parse(file(mariadb, database, dsn, TABLE))
    install(db)
    db.execute(
        """INSERT INTO seqguard_sync.positions (sync, stream, "offset") VALUES ('test', 'binlog', '{}')"""
    )
    execute("ALTER TABLE users ADD avatar blob")
    (finding,) = examine(read, db).findings
    assert (finding.key, finding.warning, "it is ignored" in finding.text) == ("columns.avatar", True, True)
    assert "avatar" not in the_mapping(read, db).columns
    execute("DROP TABLE users")
    assert [one.warning for one in examine(read, db).findings] == [True]
    db.execute("""INSERT INTO seqguard_sync.positions (sync, stream, "offset")
        VALUES ('test', 'binlog: tables', '{"tables": []}')""")
    assert [one.warning for one in examine(read, db).findings] == [False]


def test_everything_is_found_at_once(changed: Found) -> None:
    found = changed("ALTER TABLE users ADD avatar blob", "ALTER TABLE people ADD born date NOT NULL",
                    'only.sate = ["On"]')  # fmt: skip
    assert [one.split(": ")[1] for one in found] == ["only.sate", "columns.avatar", "constants.born"]


KAFKA = """
name = "test"
[source]
kind = "kafka"
bootstrap_servers = "nowhere:9092"
[target]
conninfo = ""
"""


@pytest.mark.parametrize(
    ("stream", "warning"), [("x.users/0", True), ("x.users/12", True), ("x.others/0", False)]
)
@pytest.mark.usefixtures("tables")
def test_a_new_column_is_a_warning_where_a_partition_of_the_tables_topic_was_read(
    mariadb: MariaDB, database: str, db: Connection, execute: Execute, stream: str, warning: bool
) -> None:
    catalog = f'[source.mysql]\ndatabase = "{database}"\noption_file = "{mariadb.option_file}"\n[target]'
    text = KAFKA.replace("[target]", f'topic_prefix = "x."\n{catalog}') + TABLE
    install(db)
    query = """INSERT INTO seqguard_sync.positions (sync, stream, "offset") VALUES ('test', %s, '{}')"""
    db.execute(query, [stream])
    execute("ALTER TABLE users ADD avatar blob")
    findings = examine(config.parse(text), db).findings
    assert [(one.key, one.warning) for one in findings] == [("columns.avatar", warning)]


def test_without_the_source_the_target_says_which_columns_are_taken(db: Connection) -> None:
    db.execute(PEOPLE)
    mapping = the_mapping(config.parse(KAFKA + TABLE), db)
    assert mapping.columns == {"id": "id", "nick": "name", "state": "state"}


def test_without_the_source_a_generated_column_and_one_left_out_are_not_taken(db: Connection) -> None:
    db.execute(PEOPLE)
    db.execute("ALTER TABLE people ADD born date, ADD twice int GENERATED ALWAYS AS (id * 2) STORED")
    mapping = the_mapping(config.parse(KAFKA + TABLE + 'leave_out = ["born"]'), db)
    assert mapping.columns.keys() == {"id", "nick", "state"}


def test_a_type_that_messages_do_not_have_is_named(db: Connection) -> None:
    db.execute(PEOPLE)
    findings = examine(config.parse(KAFKA + TABLE + 'types.nick = "varchar"'), db).findings
    assert [(one.key, one.text.startswith("varchar is no type")) for one in findings] == [("types.nick", True)]


@pytest.mark.usefixtures("tables")
def test_the_command_prints_findings_and_exits_with_1(
    tmp_path: Path, mariadb: MariaDB, database: str, dsn: str
) -> None:
    path = tmp_path / "sync.toml"
    path.write_text(file(mariadb, database, dsn, TABLE.replace("nick", "nicks")))
    done = run("sync", "check", str(path))
    assert (
        f"error    {path}: table users: columns.nicks: users has no column nicks (did you mean nick?)"
        in done.out
    )
    assert (done.code, done.err) == (1, "")
    found = json.loads(run("sync", "check", "--format", "json", str(path)).out)["findings"]
    assert {"severity", "table", "key", "text"} == found[0].keys()


@pytest.mark.usefixtures("tables")
def test_the_command_exits_with_0_when_everything_agrees_and_2_when_the_file_is_wrong(
    tmp_path: Path, mariadb: MariaDB, database: str, dsn: str
) -> None:
    path = tmp_path / "sync.toml"
    path.write_text(file(mariadb, database, dsn, TABLE))
    assert run("sync", "check", str(path)).out == f"{path}: 1 table, 0 errors, 0 warnings.\n"
    path.write_text("[target]\n[source]\n")
    wrong = run("sync", "check", str(path))
    assert (wrong.code, wrong.out) == (2, "")
    assert f"seqguard: {path}: name: is missing\n" in wrong.err
