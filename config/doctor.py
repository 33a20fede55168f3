"""What the whole installation stands on: settings, PostgreSQL, migrations, Redis, the task queue, clocks, promises."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from celery import current_app
from django.conf import settings
from django.core import checks as system_checks
from django.core.mail import get_connection
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django_redis import get_redis_connection
from django_redis.exceptions import ConnectionInterrupted
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from common import gauges
from common.database import real_now
from common.doctor import Symptom, check, failing, warning
from config import checks

DURABLE = ("fsync", "synchronous_commit", "full_page_writes")
CLOCK_TOLERANCE_S = 2.0
OUTBOX_PATIENCE_S = 300.0
WORKER_PATIENCE_S = 2.0
BACKLOG = 1000


@check("settings")
def unsafe_settings() -> Iterator[Symptom]:
    for found in system_checks.run_checks(include_deployment_checks=not (settings.DEBUG or settings.SANDBOX)):
        if not found.is_silenced() and found.level >= system_checks.WARNING:
            tell = failing if found.is_serious() else warning
            yield tell(f"{found.id}: {found.msg}", mend=found.hint or "See docs/environment.md.")


@check("database")
def database() -> Iterator[Symptom]:
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [[*DURABLE, "max_connections"]]
            )
            values = dict(cursor.fetchall())
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
            (connected,) = cursor.fetchone()
    except DatabaseError as error:
        yield failing(
            f"PostgreSQL does not answer: {type(error).__name__}.",
            mend="Check DATABASE_URL, the network, and whether the server runs.",
        )
        return
    for name in DURABLE:
        if values[name] == "off":
            yield failing(
                f"{name} is off.", mend=f"Set {name} = on: a crash would lose what callers were told."
            )
    room = int(values["max_connections"])
    if connected > room * 0.8:
        yield warning(
            f"{connected} of {room} connections are in use.",
            mend='Raise max_connections, or run fewer web threads (docs/operations.md, "Connections").',
        )


@check("clock")
def clocks() -> Iterator[Symptom]:
    """Signatures, tokens and leases compare times of the database with times of this machine."""
    before = time.time()
    try:
        theirs = real_now()
    except DatabaseError:
        return  # told by "database"
    ours = datetime.fromtimestamp((before + time.time()) / 2, tz=UTC)
    apart = abs((theirs - ours).total_seconds())
    if apart > CLOCK_TOLERANCE_S:
        yield failing(
            f"This machine and PostgreSQL are {apart:.1f} s apart.",
            mend="Keep both in time (chrony, systemd-timesyncd).",
        )
    for found in checks.moved_clock(databases=["default"]):
        yield failing(str(found.msg), mend=str(found.hint))


@check("migrations")
def migrations() -> Iterator[Symptom]:
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return
    if missing:
        first = missing[0][0]
        yield failing(
            f"{len(missing)} are not applied, first {first.app_label}.{first.name}.", mend="manage.py migrate"
        )


@check("redis")
def redis() -> Iterator[Symptom]:
    try:
        client: Any = get_redis_connection("default")
        client.ping()
        policy = client.config_get("maxmemory-policy").get("maxmemory-policy", "")
    except (RedisError, ConnectionInterrupted, OSError) as error:
        yield warning(
            f"Redis does not answer: {type(error).__name__}. Limits stay exact; rates are not limited, tasks come late.",
            mend="Check REDIS_URL and the server.",
        )
        return
    if policy not in {"", "noeviction"} and settings.REDIS_URL == settings.CELERY_BROKER_URL:
        yield warning(
            f"Redis may throw queued tasks away (maxmemory-policy {policy}); the outbox finds them again, late.",
            mend="Set maxmemory-policy noeviction.",
        )


@check("tasks")
def tasks() -> Iterator[Symptom]:
    """Whether a worker answers, and whether tasks pile up."""
    try:
        workers = current_app.control.inspect(timeout=WORKER_PATIENCE_S).ping() or {}
        with current_app.connection_for_read() as link:
            waiting = link.default_channel._size(settings.CELERY_TASK_DEFAULT_QUEUE)
    except (KombuError, RedisError, OSError) as error:
        yield failing(f"The broker does not answer: {type(error).__name__}.", mend="Check CELERY_BROKER_URL.")
        return
    if not workers:
        yield failing(
            "No worker answers: mails, webhooks and sweeps wait.", mend="Start one: deploy/run worker"
        )
    if waiting > BACKLOG:
        yield warning(f"{waiting} tasks wait.", mend="Start more workers, or look why they are slow (logs).")


@check("promises")
def promises() -> Iterator[Symptom]:
    try:
        parked, oldest = gauges.outbox_parked(), gauges.outbox_oldest_seconds()
    except DatabaseError:
        return
    if parked:
        yield failing(
            f"{parked:.0f} promised tasks failed too often.", mend="manage.py outbox, then outbox --retry"
        )
    if oldest > OUTBOX_PATIENCE_S:
        yield failing(f"A promised task has waited {oldest:.0f} s.", mend="Is a worker running? Is beat?")


@check("mail")
def mail() -> Iterator[Symptom]:
    if not settings.EMAIL_BACKEND.endswith("smtp.EmailBackend"):
        return
    try:
        link: Any = get_connection(timeout=5)
        link.open()
        link.close()
    except OSError as error:  # smtplib's errors are OSErrors
        yield failing(f"The mail server refuses us: {type(error).__name__}.", mend="Check EMAIL_URL.")
