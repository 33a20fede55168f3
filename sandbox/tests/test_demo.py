"""`make demo` as a newcomer and an unlucky one live it: start, sign in, start twice, stop, start again, kill -9."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from sandbox.environment import ROOT, child_environment
from sandbox.services.process import FREE_PORTS, port_is_free
from sandbox.services.unprivileged import remove_tree

pytestmark = pytest.mark.slow
START_TIMEOUT_S = 240
END_TIMEOUT_S = 90


def four_free_ports():
    """The first of four neighbours: any, since another test process may look for some at the same moment."""
    for first in random.sample(FREE_PORTS[:-3:4], 200):
        if all(port_is_free(first + offset) for offset in range(4)):
            return first
    raise AssertionError("no four free ports side by side")


def wait_until(condition, timeout_s):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "not within the time given"
        time.sleep(0.05)


class Demo:
    """One `python -m sandbox.demo` with a directory of its own."""

    def __init__(self, directory):
        self.directory = directory
        self.port = four_free_ports()
        self.output = directory.parent / "output"
        self.process = None

    def command(self, *arguments):
        return [sys.executable, "-m", "sandbox.demo", *arguments]

    def environment(self):
        inherited = {"DATABASE_URL": "", "REDIS_URL": "", "PALIER_DIRECTORY": str(self.directory)}
        return child_environment(inherited)

    def start(self):
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                self.command("--port", str(self.port)),
                cwd=ROOT,
                env=self.environment(),
                stdout=output,
                stderr=output,
            )
        wait_until(lambda: self.is_ready() or self.process.poll() is not None, START_TIMEOUT_S)
        assert self.is_ready(), self.output.read_text()

    def is_ready(self):
        return any(line.startswith("ready") for line in self.output.read_text().splitlines())

    def run(self, *arguments):
        return subprocess.run(
            self.command(*arguments),
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def descendants(self):
        """The pids of everything that works for this demo: its directory is in what they were told or where they are."""
        place = os.fsencode(self.directory)
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                told = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
                at = (process / "cwd").readlink()
                works_here = place in told or at.is_relative_to(self.directory)
                ended = (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            if works_here and not ended:
                found.append(int(process.name))
        return found

    def description(self):
        return json.loads((self.directory / "demo.json").read_text())


@pytest.fixture
def demo(tmp_path):
    for part in (tmp_path, *tmp_path.parents[:3]):
        if part.stat().st_uid == os.geteuid() and part != Path("/"):
            part.chmod(part.stat().st_mode | 0o011)
    running = Demo(tmp_path / "palier")
    yield running
    if running.process is not None and running.process.poll() is None:
        running.process.kill()
        running.process.wait()
    wait_until(lambda: not running.descendants(), END_TIMEOUT_S)
    remove_tree(running.directory / "postgres")


def test_a_newcomers_first_day(demo):
    demo.start()
    described = demo.description()
    assert described["base_url"] == f"http://127.0.0.1:{demo.port}"
    assert described["sandbox_url"] == f"http://127.0.0.1:{demo.port + 1}"
    free = described["users"]["free"]
    assert free == {"email": "free@palier.test", "password": "palier-demo"}
    token = requests.post(f"{described['base_url']}/v1/auth/token", json=free, timeout=10)
    assert token.status_code == 200, token.text
    assert (demo.directory / "env").stat().st_mode & 0o077 == 0
    assert (demo.directory / "demo.json").stat().st_mode & 0o077 == 0
    for private in ("logs", "mail", "api_keys.json", "stripe.sqlite"):
        assert (demo.directory / private).stat().st_mode & 0o077 == 0, private
    assert f"filemail:////{str(demo.directory).lstrip('/')}/mail\n" in (demo.directory / "env").read_text()
    assert "Mails sent land in" in demo.output.read_text()

    second = demo.run("--port", str(four_free_ports()))
    assert (second.returncode, second.stdout) == (1, "")
    assert "already runs" in second.stderr
    assert demo.run("--reset").returncode == 1
    assert requests.get(f"{described['base_url']}/readyz", timeout=10).status_code == 200

    demo.process.send_signal(signal.SIGTERM)
    assert demo.process.wait(END_TIMEOUT_S) == 0
    assert demo.output.read_text().splitlines()[-1] == "stopped"
    assert demo.descendants() == []

    secrets = (demo.directory / "env").read_text()
    demo.start()
    assert (demo.directory / "env").read_text() == secrets
    token = requests.post(f"{described['base_url']}/v1/auth/token", json=free, timeout=10)
    assert token.status_code == 200, token.text

    demo.process.kill()
    demo.process.wait()
    wait_until(lambda: not demo.descendants(), END_TIMEOUT_S)

    assert demo.run("--reset").returncode == 0
    assert not demo.directory.exists()


def test_a_port_in_use_is_said_before_anything_starts(demo):
    with socket.create_server(("127.0.0.1", demo.port + 2)):
        refused = demo.run("--port", str(demo.port))
    assert refused.returncode == 1
    assert f"Port {demo.port + 2}, meant for PostgreSQL, is in use" in refused.stderr
    assert not (demo.directory / "postgres").exists()
