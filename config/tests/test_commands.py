"""What an operator's command writes: its result on standard output, and beside it only what went wrong, for people."""

import json
import os
import subprocess
import sys

import pytest
from django.conf import settings

pytestmark = pytest.mark.req("OP-4")

SAYS = """
import structlog
log = structlog.get_logger("billing.sweep")
log.info("something_done", plan="basic")
log.warning("something_odd", plan="premium")
try:
    secret = "a-local-secret"
    1 / 0
except ZeroDivisionError:
    log.exception("something_broken")
print("the result")
"""


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=settings.BASE_DIR,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


@pytest.mark.parametrize("environment", [{}, {"LOG_LEVEL": "INFO", "LOG_FORMAT": "json"}])
def test_a_commands_output_is_its_result(environment: dict[str, str]) -> None:
    """Also where the services' own logs are set to be JSON: a shell in their container has their environment."""
    done = command("shell", "-v", "0", "-c", SAYS, **environment)
    assert done.stdout == "the result\n"
    assert "something_odd" in done.stderr
    assert "plan=premium" in done.stderr
    assert "ZeroDivisionError" in done.stderr
    assert "something_done" not in done.stderr
    assert "a-local-secret" not in done.stderr.replace('secret = "a-local-secret"', "")
    assert not [line for line in done.stderr.splitlines() if line.startswith("{")]


def test_a_machine_can_ask_for_json() -> None:
    done = command("shell", "-v", "0", "-c", SAYS, COMMAND_LOG_FORMAT="json", COMMAND_LOG_LEVEL="INFO")
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["something_done", "something_odd", "something_broken"]
