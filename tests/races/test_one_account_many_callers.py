"""64 callers, 5,000 attempts, two web processes, and room for exactly 1,000."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.counting import NO_RATE_LIMITS, Use, use_of_messages
from tests.stack import Stack
from tests.swarm import Swarm

pytestmark = [pytest.mark.req("QU-2", "QU-6"), pytest.mark.slow]

CALLERS, ATTEMPTS, ROOM = 64, 5_000, 1_000
CHAT = "/v1/chat/messages"
QUESTION = {"text": "Where is the Sun?"}


def start(new_stack: Callable[..., Stack]) -> tuple[Stack, Swarm]:
    stack = new_stack(workers=2, threads=32, worker=False, environment=NO_RATE_LIMITS)
    assert len(stack.web_pids()) == 2
    assert use_of_messages(stack, "premium") == Use(0, 0, 0, 0, 0)
    premium = stack.caller("premium")
    return stack, Swarm(stack.base_url, premium.identity, CHAT, QUESTION, CALLERS, ATTEMPTS)


def assert_exact(stack: Stack, swarm: Swarm) -> None:
    assert swarm.counted() == {(200, ""): ROOM, (429, "quota_exceeded"): ATTEMPTS - ROOM}
    assert use_of_messages(stack, "premium") == Use(ROOM, 0, ROOM, ROOM, ROOM)


def test_exactly_what_there_is_room_for(new_stack: Callable[..., Stack]) -> None:
    stack, swarm = start(new_stack)
    with swarm:
        pass
    assert_exact(stack, swarm)


def test_losing_redis_in_the_middle_changes_no_decision(new_stack: Callable[..., Stack]) -> None:
    stack, swarm = start(new_stack)
    with swarm:
        swarm.wait_for(300)
        stack.flush_redis()
        swarm.wait_for(600)
        stack.kill("redis")
        swarm.wait_for(1_500)
        stack.restart("redis")
    assert_exact(stack, swarm)
