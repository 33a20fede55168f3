"""SIGKILL to a web process under load: whatever its callers heard, the books are right and nothing is over."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from tests.counting import NO_RATE_LIMITS, Use, use_of_messages
from tests.stack import Stack
from tests.swarm import Swarm

pytestmark = [pytest.mark.req("QU-1", "QU-2", "QU-6"), pytest.mark.slow]

CALLERS, ATTEMPTS, ROOM = 64, 2_500, 1_000
KILL_AFTER = (200, 600)
EXPIRY = "3m"


def kill_one_web_process(stack: Stack) -> None:
    os.kill(stack.web_pids()[0], signal.SIGKILL)


def test_killed_twice_under_load(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack(workers=2, threads=32, environment=NO_RATE_LIMITS)
    premium = stack.caller("premium")
    swarm = Swarm(
        stack.base_url,
        premium.identity,
        "/v1/chat/messages",
        {"text": "Where is the Sun?"},
        CALLERS,
        ATTEMPTS,
    )
    with swarm:
        for allowed in KILL_AFTER:
            swarm.wait_for(allowed, status=200)
            kill_one_web_process(stack)

    counted = swarm.counted()
    allowed, lost = counted[200, ""], counted[0, ""]
    assert set(counted) <= {(200, ""), (0, ""), (429, "quota_exceeded")}, counted
    assert lost > 0, "a process that was killed under load answers some of its callers no more"

    use = use_of_messages(stack, "premium")
    assert use.used == use.records == use.recorded_units
    assert use.used + use.reserved <= ROOM
    # Everybody who heard "allowed" is counted; of those who heard nothing, some may be.
    assert allowed <= use.used <= allowed + lost
    assert use.reserved <= lost

    stack.advance(EXPIRY)
    after = use_of_messages(stack, "premium")
    assert after == Use(use.used, 0, use.records, use.recorded_units, use.messages)

    with Swarm(stack.base_url, premium.identity, swarm.path, swarm.body, 8, ROOM - after.used + 20) as rest:
        pass
    assert rest.count(200) == ROOM - after.used, (
        "what crashed calls held is there again, and not one unit more"
    )
    assert use_of_messages(stack, "premium").used == ROOM
