"""`python -m sandbox.stripe`: the stand-in as a process."""

import argparse
import signal
import threading
from pathlib import Path

from sandbox.stripe.server import DEFAULT_KEY, DEFAULT_PUBLISHABLE_KEY, StripeStandIn


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.stripe", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--secret-key", default=DEFAULT_KEY)
    parser.add_argument("--publishable-key", default=DEFAULT_PUBLISHABLE_KEY)
    parser.add_argument("--state", type=Path, help="SQLite file to continue from after a restart")
    parser.add_argument(
        "--clock-dsn", help="PostgreSQL address whose common_sandbox_clock holds the clock's shift"
    )
    parser.add_argument("--seed", help="makes the ids the same in each run")
    options = parser.parse_args()
    if not options.secret_key.startswith("sk_test_") or not options.publishable_key.startswith("pk_test_"):
        parser.error("a stand-in takes test keys only (sk_test_…, pk_test_…)")
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    with StripeStandIn(
        host=options.host,
        port=options.port,
        secret_key=options.secret_key,
        publishable_key=options.publishable_key,
        state=options.state,
        clock_dsn=options.clock_dsn,
        seed=options.seed,
    ) as stand_in:
        print(f"ready {stand_in.url}", flush=True)
        stopped.wait()


if __name__ == "__main__":
    main()
