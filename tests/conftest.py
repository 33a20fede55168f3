"""Whole running stacks for the tests that need more than one process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connections

from common import books
from tests.stack import Snapshot, Stack, seeded_snapshot

SERVER_URL = os.environ.get("DATABASE_URL", "")  # before the test's own database takes its place


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Catalogue and demo people, made once for all processes of this run of tests."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return seeded_snapshot(SERVER_URL, shared)


@pytest.fixture(scope="session")
def read_books(django_db_blocker: Any) -> Callable[[str], list[str]]:
    """What is wrong in a stack's database. Read here, where all is loaded: a command takes seconds to start."""

    def read(database_url: str) -> list[str]:
        with django_db_blocker.unblock(), ThreadPoolExecutor(1) as other:
            return other.submit(_findings, urlsplit(database_url).path[1:]).result()

    return read


def _findings(database: str) -> list[str]:
    """In a thread of its own, which has a connection of its own."""
    connection = connections["default"]
    connection.settings_dict = {**connection.settings_dict, "NAME": database}
    try:
        return books.verify_all()
    finally:
        connection.close()


@pytest.fixture(scope="session")
def shared_stack(seeded: Snapshot, read_books: Callable[[str], list[str]]) -> Iterator[Stack]:
    """One stack for all tests that leave each other alone (each takes people of its own)."""
    with Stack(server_url=SERVER_URL, snapshot=seeded, read_books=read_books) as stack:
        yield stack


@pytest.fixture
def new_stack(seeded: Snapshot, read_books: Callable[[str], list[str]]) -> Iterator[Callable[..., Stack]]:
    """Starts stacks of the test's own, with the options of `Stack`; they end with the test."""
    with ExitStack() as running:

        def start(**options: Any) -> Stack:
            return running.enter_context(
                Stack(server_url=SERVER_URL, snapshot=seeded, read_books=read_books, **options)
            )

        yield start


@pytest.fixture
def stack(new_stack: Callable[..., Stack]) -> Stack:
    """A stack of the test's own, with the usual options."""
    return new_stack()
