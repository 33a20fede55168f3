"""`python -m sandbox.services --dir DIR`: PostgreSQL and Redis until Ctrl-C, for development and single tests."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from sandbox.services import Postgres, Redis, ServiceError


def main() -> int:
    """Print the addresses as `export` lines, then serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.services", description=__doc__)
    parser.add_argument("--dir", type=Path, required=True, help="where the data lies; made when missing")
    parser.add_argument("--postgres-port", type=int, help="default: a free one")
    parser.add_argument("--redis-port", type=int, help="default: a free one")
    parser.add_argument("--no-fsync", action="store_true", help="faster, for tests only")
    options = parser.parse_args()
    stop_signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    postgres = Postgres(options.dir / "postgres", port=options.postgres_port, durable=not options.no_fsync)
    redis = Redis(options.dir / "redis", port=options.redis_port)
    try:
        postgres.start()
        redis.start()
        print(f"export DATABASE_URL={postgres.url()}")
        print(f"export REDIS_URL={redis.url()}", flush=True)
        signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals)
        signal.sigwait(stop_signals)
    except ServiceError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        redis.stop()
        postgres.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
