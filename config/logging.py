"""Structured logs: one JSON object a line, with the request id bound by the middleware."""

import sys
from typing import Any

import structlog

from common.discreet import discreet

SHARED_PROCESSORS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


def add_request_id(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """For what Django logs about a request after the middleware that binds its id has ended."""
    request = getattr(event.get("_record"), "request", None)
    if request_id := getattr(request, "request_id", ""):
        event.setdefault("request_id", request_id)
    return event


def discreet_exceptions(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """What exceptions say, without the values and addresses that databases and mail servers quote."""
    for one in event.get("exception") or ():
        if isinstance(one, dict):
            one["exc_value"] = discreet(one["exc_value"])
    return event


def build_logging(*, debug: bool, fmt: str, level: str) -> dict[str, Any]:
    """The LOGGING dictionary; `fmt` is json (production) or console (reading along)."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED_PROCESSORS,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer: Any = (
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        if fmt == "console"
        else structlog.processors.JSONRenderer()
    )
    # Frames' local variables are left out: they may hold passwords, keys and personal data.
    transform = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    exceptions = (
        [] if fmt == "console" else [structlog.processors.ExceptionRenderer(transform), discreet_exceptions]
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    *exceptions,
                    renderer,
                ],
                "foreign_pre_chain": [*SHARED_PROCESSORS, add_request_id],
            }
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["console"], "level": "WARNING"},
        "loggers": {
            name: {"level": level, "handlers": ["console"], "propagate": False}
            for name in (
                "common",
                "accounts",
                "quotas",
                "billing",
                "enterprise",
                "showcase",
                "django_structlog",
                "celery",
            )
        }
        # Refusals have their line from RequestLogMiddleware, without the secrets that some paths carry.
        | {"django.request": {"level": "ERROR"}}
        | {"django.server": {"level": "INFO" if debug else "WARNING"}},
    }
