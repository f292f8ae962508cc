"""Fixtures of real MariaDB servers. A module that uses them says `from mariadb import ...`."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from seqguard.demo.mariadb import MariaDB, throwaway
from seqguard.sync.mysql import client

Execute = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """A server for all tests of a session: never stopped, its settings never changed."""
    with throwaway() as running:
        yield running


@pytest.fixture
def own_mariadb() -> Iterator[MariaDB]:
    """A server for one test, which may do with it what it likes."""
    with throwaway() as running:
        yield running


@pytest.fixture
def database(mariadb: MariaDB) -> Iterator[str]:
    """An empty database for one test."""
    with fresh(mariadb) as name:
        yield name


class fresh:  # noqa: N801 - reads as a function
    """An empty database with a name of its own, gone afterwards."""

    def __init__(self, server: MariaDB) -> None:
        self.server, self.name = server, f"test_{secrets.token_hex(6)}"

    def __enter__(self) -> str:
        run(self.server, None, f"CREATE DATABASE {self.name}")
        return self.name

    def __exit__(self, *_: object) -> None:
        run(self.server, None, f"DROP DATABASE {self.name}")


@pytest.fixture
def execute(mariadb: MariaDB, database: str) -> Iterator[Execute]:
    """Runs a statement in the test's database, each in a transaction of its own; returns its rows."""
    with mariadb.connect(database) as connection:

        def one(statement: str, *parameters: object) -> list[tuple[Any, ...]]:
            return client.query(connection, statement, *parameters)

        yield one


def run(server: MariaDB, database: str | None, *statements: str) -> None:
    """Run statements one after the other."""
    with server.connect(database) as connection:
        for statement in statements:
            client.query(connection, statement)
