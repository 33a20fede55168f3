"""The supervisor with small programs: what dies comes back, and what is stopped leaves nothing."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from sandbox import supervisor as module
from sandbox.services import ServiceError
from sandbox.supervisor import Program, Supervisor

SLEEPS = "import time; time.sleep(600)"
WITH_CHILD = (
    "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"
)
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"


@pytest.fixture
def program(tmp_path):
    """Makes programs; all are ended with the test."""
    made = []

    def make(code, **options):
        log = tmp_path / f"{len(made)}.log"
        command = [sys.executable, "-c", code]
        made.append(Program(f"program {len(made)}", command, os.environ, log, tmp_path, **options))
        return made[-1]

    yield make
    for each in made:
        each.kill()


def members(group):
    """The pids of a process group that still run."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(entry.parent.name))
    return found


def wait_until(condition, timeout_s=20):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "not within the time given"
        time.sleep(0.02)


def test_what_dies_is_started_again_and_said(program, capsys):
    victim = program(SLEEPS)
    victim.start()
    first = victim.process
    supervisor = Supervisor()
    supervisor.add(victim)
    supervisor.look()
    assert victim.process is first
    os.kill(first.pid, signal.SIGKILL)
    first.wait()

    def runs_again():
        supervisor.look()
        return victim.process not in {None, first}

    wait_until(runs_again)
    assert victim.process.poll() is None
    said = capsys.readouterr().out
    assert "program 0 ended (killed by SIGKILL); starting it again in 0.5 s" in said
    assert "program 0 runs again" in said


def test_what_cannot_start_waits_longer_each_time(program):
    supervisor = Supervisor()
    supervisor.add(program("raise SystemExit(3)"))
    watched = supervisor._watched[0]
    backoffs = []
    for _ in range(8):
        supervisor._notice_death(watched, watched.started_at)
        backoffs.append(watched.restart_at - watched.started_at)
    assert backoffs == pytest.approx([module.FIRST_BACKOFF_S, 1, 2, 4, 8, 16, module.LONGEST_BACKOFF_S, 30])


def test_stopping_ends_what_a_program_started(program):
    parent = program(WITH_CHILD + "; time.sleep(600)")
    parent.start()
    group = parent.process.pid
    wait_until(lambda: len(members(group)) == 2)
    parent.stop()
    wait_until(lambda: members(group) == [])


def test_a_program_deaf_to_the_polite_signal_is_ended_all_the_same(program):
    deaf = program(STUBBORN, patience_s=0.2)
    deaf.start()
    wait_until(lambda: "deaf" in deaf.log.read_text())
    group = deaf.process.pid
    deaf.stop()
    wait_until(lambda: members(group) == [])


def test_all_programs_are_asked_to_end_before_any_is_waited_for(program):
    supervisor = Supervisor()
    programs = [program(SLEEPS) for _ in range(3)]
    for each in programs:
        each.start()
        supervisor.add(each)
    groups = [each.process.pid for each in programs]
    stopper = threading.Thread(target=supervisor.stop_all)
    stopper.start()
    stopper.join(20)
    assert not stopper.is_alive()
    assert [members(group) for group in groups] == [[], [], []]


def test_a_program_that_ends_before_it_is_ready_shows_its_log(program):
    broken = program("raise SystemExit('no such setting')", ready=lambda: False)
    with pytest.raises(ServiceError, match=r"program 0 ended at once \(exit code 1\)(.|\n)*no such setting"):
        broken.start()
