"""Celery: carries what must happen after a commit. The outbox guarantees it; Celery only makes it prompt."""

import os

from celery import Celery
from celery.signals import beat_init, setup_logging, worker_init
from django_structlog.celery.steps import DjangoStructLogInitStep

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("palier")
# In threads other than the one that imports this, Celery would otherwise fall back to an app of its own making.
app.set_default()
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add(DjangoStructLogInitStep)


@setup_logging.connect
def keep_django_logging(**_: object) -> None:
    """Celery would replace the root handlers; ours write structured JSON with request ids."""
    import logging.config

    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)


@worker_init.connect
@beat_init.connect
def refuse_unsafe_start(**_: object) -> None:
    from config import checks

    checks.refuse_unsafe_start()


@worker_init.connect
def answer_prometheus(**_: object) -> None:
    """What tasks count lies in files of this worker; no web process of another container can read them."""
    from django.conf import settings

    if settings.WORKER_METRICS_PORT:
        from common.metrics import serve_processes

        serve_processes(host=settings.WEB_HOST, port=settings.WORKER_METRICS_PORT)
