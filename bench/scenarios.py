"""The rows SP-n: which sides stand beside each other, and what each has to reach.

A scenario sets its sides up, has them measured in turns, reads the books, and returns a result for each of its rows.
A new row is a new Target, and a new function in SCENARIOS or a new side in an old one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import books
from bench.accounts import create_accounts, create_person
from bench.pgbench import HOT_ROW, PgBench, random_row
from bench.sides import Result, Target, compare, interleave
from bench.stage import MANY_ACCOUNTS, Stage
from bench.web import METERED_PATH, PLAIN_PATH, HttpSide, open_server
from bench.workers import WorkerPool


@dataclass(frozen=True)
class Plan:
    """How long: `rounds` measurements of `seconds` for each side."""

    rounds: int
    seconds: float


SP_1 = Target("SP-1", "One hot account, against one row in plain SQL", "consume", "pgbench row", 10)
SP_2 = Target("SP-2", "One hot account, against select_for_update and save", "consume", "django lock", 20)
SP_3 = Target("SP-3", "100,000 accounts, against random rows in plain SQL", "consume", "pgbench rows", 0.8)
SP_4 = Target("SP-4", "HTTP: metered, against the same not metered", "metered", "not metered", 0.8)


def hot_account(stage: Stage, plan: Plan) -> list[Result]:
    """SP-1 and SP-2: 64 callers that all want the same counter."""
    first, last = create_accounts(stage.database_url, 1)
    with ExitStack() as stack:
        consume = _workers(stage, stack, SP_1.ours, "consume_hot", {"account_id": first})
        rows = _pgbench(stage, SP_1.reference, HOT_ROW)
        lock = _workers(stage, stack, SP_2.reference, "lock_and_save", {"row_id": 2})
        samples = interleave([consume, rows, lock], rounds=plan.rounds, seconds=plan.seconds)
        books.require(stage.database_url, accounts=(first, last), allowed=consume.allowed)
    return [compare(samples, SP_1), compare(samples, SP_2)]


def many_accounts(stage: Stage, plan: Plan) -> list[Result]:
    """SP-3: the same callers over many counters, each with a row already on both sides."""
    accounts = create_accounts(stage.database_url, MANY_ACCOUNTS)
    with ExitStack() as stack:
        consume = _workers(stage, stack, SP_3.ours, "consume_random", {"accounts": accounts})
        rows = _pgbench(stage, SP_3.reference, random_row(MANY_ACCOUNTS))
        samples = interleave([consume, rows], rounds=plan.rounds, seconds=plan.seconds)
        books.require(stage.database_url, accounts=accounts, allowed=consume.allowed)
    return [compare(samples, SP_3)]


def http(stage: Stage, plan: Plan) -> list[Result]:
    """SP-4: what metering adds to a request, through the whole product: server, middleware, authentication."""
    account_id, token = create_person()
    with open_server(stage) as port, ExitStack() as stack:
        metered, plain = (
            HttpSide(
                name,
                path=path,
                port=port,
                token=token,
                stack=stack,
                environment=stage.environment,
                log=_log(stage, "http load"),
            )
            for name, path in ((SP_4.ours, METERED_PATH), (SP_4.reference, PLAIN_PATH))
        )
        samples = interleave([metered, plain], rounds=plan.rounds, seconds=plan.seconds)
        books.require(stage.database_url, accounts=(account_id, account_id), allowed=metered.answered)
    return [compare(samples, SP_4)]


@dataclass(frozen=True)
class Scenario:
    """A function that measures, and the rows it answers."""

    targets: Sequence[Target]
    run: Callable[[Stage, Plan], list[Result]]


SCENARIOS = (
    Scenario((SP_1, SP_2), hot_account),
    Scenario((SP_3,), many_accounts),
    Scenario((SP_4,), http),
)


def _log(stage: Stage, name: str) -> Path:
    return stage.directory / f"{name.replace(' ', '-')}.log"


def _workers(
    stage: Stage, stack: ExitStack, name: str, operation: str, arguments: Mapping[str, object]
) -> WorkerPool:
    return WorkerPool(
        name,
        operation,
        stack=stack,
        arguments=arguments,
        environment=stage.environment,
        log=_log(stage, operation),
    )


def _pgbench(stage: Stage, name: str, script: str) -> PgBench:
    return PgBench(
        name,
        programs=stage.programs,
        database_url=stage.database_url,
        script=script,
        directory=stage.directory,
    )
