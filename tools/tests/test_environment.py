"""A test process reaches this machine and nothing else, and has a Redis database of its own."""

import os
import socket

import pytest


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("2001:db8::1", 80), ("stripe.com", 443)], ids=str)
def test_other_machines_are_out_of_reach(address):
    with pytest.raises(PermissionError, match="Tests may not reach"):
        socket.create_connection(address, timeout=1)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_within_reach(host):
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection((host, server.getsockname()[1]), timeout=5).close()


def test_each_worker_has_its_own_redis_database(settings):
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    expected = int(worker.removeprefix("gw")) + 1 if worker else 0
    assert settings.REDIS_URL.endswith(f"/{expected}")
