"""The stack that journeys, races and crash tests stand on."""

import pytest
import requests

pytestmark = pytest.mark.slow


def test_people_can_sign_in_and_nobody_cannot(shared_stack):
    answer = shared_stack.caller("free").get("/v1/billing/quota?metric=messages")
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["metric"] == "messages"  # their plan is whatever tests before made it
    assert shared_stack.caller().get("/v1/billing/quota").status_code == 401


def test_what_is_killed_is_gone_and_comes_back_with_the_data(new_stack):
    stack = new_stack(workers=2)
    first = stack.web_pids()
    assert len(first) == 2
    free = stack.caller("free")
    assert free.post("/v1/chat/messages", {"text": "Where is the Moon?"}).status_code == 200

    stack.kill("web")
    with pytest.raises(requests.ConnectionError):
        stack.caller().get("/healthz")
    stack.kill("redis")
    stack.restart("redis")
    stack.restart("web")
    assert not set(first) & set(stack.web_pids())
    assert free.get("/v1/billing/quota?metric=messages").json()["data"]["used"] == 1


def test_stacks_do_not_see_each_other(new_stack):
    one, other = new_stack(worker=False), new_stack(worker=False)
    assert one.caller("free").post("/v1/chat/messages", {"text": "Where is Mars?"}).status_code == 200
    used = [
        stack.caller("free").get("/v1/billing/quota?metric=messages").json()["data"]["used"]
        for stack in (one, other)
    ]
    assert used == [1, 0]
    assert one.api_keys() == other.api_keys()


def test_time_passes_for_the_application_and_for_stripe(new_stack):
    stack = new_stack(beat=True)
    before = stack.stripe("clock")["now"]
    stack.advance("1d")
    assert stack.stripe("clock")["now"] > before
    stack.wait_quiet()
    assert stack.sql("SELECT shift > interval '23:59:00' FROM common_sandbox_clock") == [(True,)]


def test_the_books_of_a_stack_are_right_and_a_failing_command_says_why(shared_stack):
    shared_stack.manage("verify_books")
    with pytest.raises(AssertionError, match="Unknown command"):
        shared_stack.manage("no_such_command")
