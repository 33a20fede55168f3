"""`make demo`: everything on one machine, from an empty checkout to a page one can sign in to."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from contextlib import ExitStack
from types import FrameType

import psycopg

from sandbox import demo_files, stripe_endpoint
from sandbox.console import paint, say, step
from sandbox.demo_files import DIRECTORY, LOGS, MAIL, AlreadyRunning
from sandbox.environment import application_environment
from sandbox.programs import Programs, answers
from sandbox.services import Postgres, Redis, ServiceError, process
from sandbox.services.unprivileged import remove_tree
from sandbox.supervisor import Program, Supervisor

DOMAIN = "palier.test"
PASSWORD = "palier-demo"
CONSUMERS = ("free", "basic", "premium", "near", "pastdue", "nosub")
ORGANISATIONS = ("acme", "globex", "starter", "growth", "dry")
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STAFF = ("support", "billing", "ops", "auditor", "admin")


class Stopped(BaseException):
    """We were asked to end; no error, and nothing that handles errors may swallow it."""


class Demo:
    """One run of the demo on `port` and the three ports after it."""

    def __init__(self, port: int) -> None:
        self.base_url = f"http://127.0.0.1:{port}"
        self.sandbox_url = f"http://127.0.0.1:{port + 1}"
        self.port = port
        self.supervisor = Supervisor()
        self.secrets = demo_files.kept_secrets()
        self.programs = Programs({}, DIRECTORY)

    def run(self) -> None:
        """Start everything, say so, and keep it running until a signal raises Stopped."""
        database_url, redis_url = self._start_services()
        self._use_environment(database_url, redis_url)
        with step("Stripe stand-in"):
            self._start_stripe(database_url)
        with step("Database schema"):
            self._finish(self.programs.migrate())
        if demo_files.static_files_changed():
            with step("Static files"):
                self._manage("collectstatic", "--no-input")
                demo_files.remember_static_files()
        self._start_application()
        with step("Catalogue"):
            self._manage("sync_catalog")
        with step("Demo people"):
            self._manage("seed_demo", "--keys-file", str(demo_files.API_KEYS))
        self._announce()
        self.supervisor.watch()

    def stop(self) -> None:
        """Stop everything that was started."""
        say(f"\n{paint('stopping', 'bold')}")
        self.supervisor.stop_all()

    def _start_services(self) -> tuple[str, str]:
        database_url, redis_url = os.environ.get("DATABASE_URL"), os.environ.get("REDIS_URL")
        if not database_url:
            with step("PostgreSQL"):
                postgres = Postgres(DIRECTORY / "postgres", port=self.port + 2, log=LOGS / "postgresql.log")
                self._start(postgres)
                database_url = postgres.url()
        if not redis_url:
            with step("Redis"):
                redis = Redis(DIRECTORY / "redis", port=self.port + 3, log=LOGS / "redis.log")
                self._start(redis)
                redis_url = redis.url()
        return database_url, redis_url

    def _start(self, service: Postgres | Redis | Program) -> None:
        self.supervisor.add(service)  # first, so that it is stopped even when it does not get ready
        service.start()

    def _use_environment(self, database_url: str, redis_url: str) -> None:
        environment = application_environment(
            database_url=database_url,
            redis_url=redis_url,
            base_url=self.base_url,
            sandbox_url=self.sandbox_url,
            mail=MAIL,
            kept=self.secrets,
        )
        demo_files.write_environment(environment)
        self.programs = Programs(environment, DIRECTORY)

    def _start_stripe(self, database_url: str) -> None:
        key = self.secrets["STRIPE_SECRET_KEY"]
        state = DIRECTORY / "stripe.sqlite"
        self._start(self.programs.stripe(self.port + 1, secret_key=key, state=state, clock_dsn=database_url))
        self.secrets |= stripe_endpoint.ensure(self.sandbox_url, self._webhook_url(), kept=self.secrets)
        self._use_environment(
            self.programs.environment["DATABASE_URL"], self.programs.environment["REDIS_URL"]
        )

    def _webhook_url(self) -> str:
        return f"{self.base_url}/stripe/webhook/{self.secrets['STRIPE_WEBHOOK_UUID']}/"

    def _start_application(self) -> None:
        """Side by side: each spends a second or two on imports."""
        web = self.programs.web(self.port)
        with step("Web, worker, beat"):
            for program in (web, self.programs.worker(), self.programs.beat()):
                self.supervisor.add(program)
                program.launch()
            web.wait()

    def _manage(self, *arguments: str) -> None:
        self._finish(self.programs.manage(*arguments))

    def _finish(self, command: Program) -> None:
        """Run a command to its end. ServiceError, with what it said last, when it fails."""
        command.launch()
        try:
            code = command.process.wait() if command.process else 0
        finally:
            command.stop()
        if code != 0:
            how = process.describe_exit(code)
            raise ServiceError(f"{command.name} failed ({how}).{process.log_tail(command.log)}")

    def _announce(self) -> None:
        people = self._people()
        demo_files.write_description(
            {
                "base_url": self.base_url,
                "sandbox_url": self.sandbox_url,
                "users": {name: {"email": email, "password": PASSWORD} for name, email in people.items()},
                "api_keys": demo_files.api_keys(),
                "webhook": {"url": self._webhook_url(), "secret": self.secrets["STRIPE_WEBHOOK_SECRET"]},
            }
        )
        if not answers(f"{self.base_url}/readyz"):
            raise ServiceError(f"{self.base_url}/readyz does not answer 200; see {LOGS}/web.log")
        say(introduction(self.base_url, self.sandbox_url, people))

    def _people(self) -> dict[str, str]:
        """The addresses of those that `seed_demo` made, by name."""
        with psycopg.connect(self.programs.environment["DATABASE_URL"]) as connection:
            query = "SELECT email FROM accounts_user WHERE email LIKE %s"
            made = {email for (email,) in connection.execute(query, [f"%@{DOMAIN}"])}
        names = (*CONSUMERS, *ORGANISATIONS, *STAFF)
        return {name: f"{name}@{DOMAIN}" for name in names if f"{name}@{DOMAIN}" in made}


def introduction(base_url: str, sandbox_url: str, people: dict[str, str]) -> str:
    """Addresses and sign-ins; its last line begins with `ready`."""

    def addresses(names: tuple[str, ...]) -> str:
        return "  ".join(people[name] for name in names if name in people)

    rows = [
        ("Product", f"{base_url}/"),
        ("API, documented", f"{base_url}/v1/docs"),
        ("Admin", f"{base_url}/admin/"),
        ("Stripe stand-in", f"{sandbox_url}/_sandbox/state"),
        ("Persons", addresses(CONSUMERS)),
        ("Organisations", addresses(ORGANISATIONS)),
        ("Staff", addresses(STAFF)),
        ("Password of all", PASSWORD),
        ("Months pass with", ".venv/bin/python manage.py clock advance 31d"),
        ("Mails sent land in", f"{os.path.relpath(MAIL)}/"),
        ("Logs", f"{os.path.relpath(LOGS)}/"),
    ]
    lines = ["", *(f"  {paint(f'{title:<20}', 'dim')}{value}" for title, value in rows if value), ""]
    return "\n".join(
        [*lines, f"{paint('ready', 'green')}  {paint(f'{base_url}/', 'bold')}  (Ctrl-C stops all)"]
    )


def reset() -> None:
    """Forget the demo's data. AlreadyRunning while it runs."""
    with demo_files.exclusive_use("reset"):
        for service in ("postgres", "redis"):
            remove_tree(DIRECTORY / service)
    shutil.rmtree(DIRECTORY)
    say("The demo's data is gone.")


def _raise_stopped(number: int, _: FrameType | None) -> None:
    for sent in STOP_SIGNALS:
        signal.signal(sent, signal.SIG_IGN)  # stopping takes seconds; being asked again changes nothing
    raise Stopped(signal.Signals(number).name)


def run(port: int) -> None:
    """Run the demo until SIGINT or SIGTERM; then stop all of it."""
    for sent in STOP_SIGNALS:
        signal.signal(sent, _raise_stopped)
    with demo_files.exclusive_use(f"PORT={port}"), ExitStack() as stack:
        for offset, name in enumerate(("the web server", "the Stripe stand-in", "PostgreSQL", "Redis")):
            if not process.port_is_free(port + offset):
                raise ServiceError(
                    f"Port {port + offset}, meant for {name}, is in use by another program. Stop that one,"
                    f" or take other ports: make demo PORT={port + 100}"
                )
        demo_files.make_private_directories()
        demo_files.set_old_logs_aside()
        demo = Demo(port)
        stack.callback(demo.stop)
        demo.run()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.demo", description=__doc__)
    parser.add_argument(
        "--port", type=int, default=8000, help="of the web server; the three after it are used too"
    )
    parser.add_argument("--reset", action="store_true", help="forget the data instead of starting")
    parser.add_argument("--follow-parent", action="store_true", help="end with the process that started it")
    options = parser.parse_args()
    if options.follow_parent:
        process.follow_parent()
    try:
        reset() if options.reset else run(options.port)
    except Stopped:
        say("stopped")
    except (ServiceError, AlreadyRunning) as error:
        print(f"{paint('✗', 'red')} {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
