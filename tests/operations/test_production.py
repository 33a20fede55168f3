"""Started as docs/deploy.md says, without the sandbox's conveniences: behind a proxy, DEBUG off, by `deploy/run`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from sandbox.environment import ROOT
from sandbox.services import free_port
from tests.operations.scripts import deploy, environment
from tests.stack import Stack

pytestmark = [pytest.mark.req("OP-5", "OP-7"), pytest.mark.slow]

HOST = "palier.example"
START_TIMEOUT_S = 120
ANSWER_S = 30
FORWARDED = {"Host": HOST, "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}


def _production(stack: Stack, port: int) -> dict[str, str]:
    values = {name: value for name, value in stack.environment.items() if name != "SANDBOX_URL"}
    return {
        **values,
        "DEBUG": "0",
        "BASE_URL": f"https://{HOST}",
        "ALLOWED_HOSTS": HOST,
        "BEHIND_PROXY": "1",
        "EMAIL_URL": "smtp://127.0.0.1:9",
        "STATIC_MANIFEST": "0",
        "METRICS_TOKEN": "metrics-token-of-the-test",
        "PROMETHEUS_MULTIPROC_DIR": str(stack.directory / "production-metrics"),
        "WEB_HOST": "127.0.0.1",
        "WEB_PORT": str(port),
        "WEB_PROCESSES": "2",
        "WEB_THREADS": "8",
    }


@contextmanager
def _running(stack: Stack, port: int) -> Iterator[subprocess.Popen[bytes]]:
    with (stack.directory / "production.log").open("wb") as log:
        process = subprocess.Popen(
            [str(ROOT / "deploy" / "run"), "web"],
            env=environment(_production(stack, port)),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_ready(port)
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(timeout=90)
        finally:
            _end_group(process.pid)


def _end_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def _wait_ready(port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            if requests.get(f"http://127.0.0.1:{port}/readyz", headers=FORWARDED, timeout=ANSWER_S).ok:
                return
        except (requests.ConnectionError, requests.Timeout):
            pass
        assert time.monotonic() < deadline, "the web processes did not become ready"
        time.sleep(0.1)


def test_what_a_proxy_and_a_monitor_see(new_stack: Callable[..., Stack]) -> None:
    stack, port = new_stack(worker=False, real_time=True), free_port()
    base = f"http://127.0.0.1:{port}"
    with _running(stack, port) as process:
        # A probe of the container names the address it asked, not the host people use.
        assert requests.get(f"{base}/healthz", timeout=ANSWER_S).status_code == 200
        assert requests.get(f"{base}/", headers={"Host": "evil.example"}, timeout=ANSWER_S).status_code == 400
        plain = requests.get(f"{base}/", headers={"Host": HOST}, timeout=ANSWER_S, allow_redirects=False)
        assert (plain.status_code, plain.headers["Location"]) == (301, f"https://{HOST}/")

        page = requests.get(f"{base}/accounts/login/", headers=FORWARDED, timeout=ANSWER_S)
        assert page.status_code == 200
        assert "max-age=31536000" in page.headers["Strict-Transport-Security"]
        assert "Secure" in page.headers["Set-Cookie"]
        missing = requests.get(f"{base}/no-such-page/", headers=FORWARDED, timeout=ANSWER_S)
        assert missing.status_code == 404
        assert "Traceback" not in missing.text

        metrics = f"{base}/metrics"
        assert requests.get(metrics, headers=FORWARDED, timeout=ANSWER_S).status_code in {401, 403, 404}
        token = {"Authorization": "Bearer metrics-token-of-the-test"}
        assert (
            "http_requests_total" in requests.get(metrics, headers=FORWARDED | token, timeout=ANSWER_S).text
        )

        process.terminate()
        assert process.wait(timeout=40) in {0, -signal.SIGTERM}


def test_new_processes_take_over_without_a_failed_request(new_stack: Callable[..., Stack]) -> None:
    stack, port = new_stack(worker=False, real_time=True), free_port()
    heard: Counter[str] = Counter()
    over = threading.Event()

    def call() -> None:
        while not over.is_set():
            try:
                heard[str(_asked_as_a_proxy_does(port).status_code)] += 1
            except requests.RequestException as error:
                heard[repr(error)] += 1
            over.wait(0.02)  # the load is bounded: the new processes need the machine to start

    with _running(stack, port) as process:
        callers = [threading.Thread(target=call) for _ in range(4)]
        for caller in callers:
            caller.start()
        before = _children(process.pid)
        process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + START_TIMEOUT_S
        while _children(process.pid) & before or len(_children(process.pid)) < len(before):
            assert time.monotonic() < deadline, "the old processes did not go"
            time.sleep(0.1)
        seen = heard["200"]
        while heard["200"] < seen + 20:
            assert time.monotonic() < deadline, f"the new processes do not answer: {heard}"
            time.sleep(0.05)
        over.set()
        for caller in callers:
            caller.join()
    assert set(heard) == {"200"}, heard


def _asked_as_a_proxy_does(port: int) -> requests.Response:
    """Once more where the connection was reset before it was taken: so does the kernel with what waits at a process that
    goes, unless net.ipv4.tcp_migrate_req is set (docs/deploy.md).
    """
    try:
        return requests.get(f"http://127.0.0.1:{port}/readyz", headers=FORWARDED, timeout=ANSWER_S)
    except requests.ConnectionError:
        return requests.get(f"http://127.0.0.1:{port}/readyz", headers=FORWARDED, timeout=ANSWER_S)


def _children(pid: int) -> set[str]:
    return set(Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split())


def test_a_worker_tells_what_its_tasks_counted(new_stack: Callable[..., Stack]) -> None:
    """Its files are its own: a web service of the same host that starts takes nothing away."""
    stack, port, web_port = new_stack(worker=False, real_time=True), free_port(), free_port()
    values = {**_production(stack, web_port), "WORKER_METRICS_PORT": str(port), "WORKER_PROCESSES": "1"}
    with (stack.directory / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [str(ROOT / "deploy" / "run"), "worker"],
            env=environment(values),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        with _running(stack, web_port):
            assert _eventually(lambda: "outbox_runs_total{" in _told_at(port), stack)
            assert "outbox_parked" not in _told_at(port), "figures of the installation are the web processes'"
    finally:
        worker.terminate()
        try:
            worker.wait(timeout=90)
        finally:
            _end_group(worker.pid)


def _told_at(port: int) -> str:
    try:
        return requests.get(f"http://127.0.0.1:{port}/metrics", timeout=ANSWER_S).text
    except requests.ConnectionError:
        return ""


def _eventually(seen: Callable[[], bool], stack: Stack) -> bool:
    """With a promise to keep every now and then, until it is seen."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while not seen():
        assert time.monotonic() < deadline, (stack.directory / "worker.log").read_text()[-2000:]
        stack.caller("basic").post("/v1/billing/plan-change", {"target_plan": "free"})
        stack.caller("basic").delete("/v1/billing/plan-change")
        time.sleep(0.2)
    return True


def test_unsafe_settings_do_not_start(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack(worker=False, real_time=True)
    unsafe = {**_production(stack, free_port()), "SECRET_KEY": "short"}
    checked = deploy("run", "check", "--deploy", "--fail-level", "WARNING", values=unsafe)
    assert checked.returncode == 1
    assert "palier.E004" in checked.stderr
    examined = deploy("run", "doctor", "settings", values=unsafe)
    assert examined.returncode == 1
    assert "palier.E004" in examined.stdout


def test_the_image_can_collect_its_files(tmp_path: Path) -> None:
    """As the Dockerfile does: nothing to connect to, and no service has made the directory of counters yet."""
    nothing = {
        "SECRET_KEY": "collectstatic",
        "DATABASE_URL": "postgres://nobody@127.0.0.1:9/none",
        "REDIS_URL": "redis://127.0.0.1:9/0",
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "metrics"),
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--noinput", "--dry-run"],
        cwd=ROOT,
        env=environment(nothing),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_run_without_a_word_says_how() -> None:
    done = deploy("run", values={})
    assert (done.returncode, done.stderr.startswith("usage:")) == (64, True)
