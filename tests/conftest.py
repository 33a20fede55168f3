"""Whole running stacks for the tests that need more than one process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.stack import Snapshot, Stack, seeded_snapshot

SERVER_URL = os.environ.get("DATABASE_URL", "")  # before the test's own database takes its place


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Catalogue and demo people, made once for all processes of this run of tests."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return seeded_snapshot(SERVER_URL, shared)


@pytest.fixture(scope="session")
def shared_stack(seeded: Snapshot) -> Iterator[Stack]:
    """One stack for all tests that leave each other alone (each takes people of its own)."""
    with Stack(server_url=SERVER_URL, snapshot=seeded) as stack:
        yield stack


@pytest.fixture
def new_stack(seeded: Snapshot) -> Iterator[Callable[..., Stack]]:
    """Starts stacks of the test's own, with the options of `Stack`; they end with the test."""
    with ExitStack() as running:

        def start(**options: Any) -> Stack:
            return running.enter_context(Stack(server_url=SERVER_URL, snapshot=seeded, **options))

        yield start


@pytest.fixture
def stack(new_stack: Callable[..., Stack]) -> Stack:
    """A stack of the test's own, with the usual options."""
    return new_stack()
