from conftest import Connection, one

import seqguard


def test_an_ordinary_insert_after_fix_gets_the_value_after_the_furthest(db: Connection) -> None:
    db.execute("CREATE TABLE users (id serial PRIMARY KEY)")
    db.execute("INSERT INTO users SELECT generate_series(1, 16)")
    seqguard.fix(db)
    assert one(db, "INSERT INTO users DEFAULT VALUES RETURNING id") == 17
