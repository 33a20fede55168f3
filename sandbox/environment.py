"""The application's environment in the sandbox: one place that knows which variables config/settings.py reads."""

from __future__ import annotations

import os
import secrets
import uuid
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parent.parent
NOBODY_LISTENS = "http://127.0.0.1:9"  # the discard port: a call that should not happen fails at once

# What is made once and has to stay: sessions, webhook signatures and the stand-in's data depend on it.
Secrets = dict[str, str]


def make_secrets() -> Secrets:
    """New keys, of the shapes that Stripe's have. Nothing they open exists outside this machine."""
    return {
        "SECRET_KEY": secrets.token_urlsafe(64),
        "STRIPE_SECRET_KEY": "sk_test_" + secrets.token_hex(24),
        "STRIPE_PUBLISHABLE_KEY": "pk_test_" + secrets.token_hex(24),
        "STRIPE_WEBHOOK_UUID": str(uuid.uuid4()),
        "STRIPE_WEBHOOK_SECRET": "whsec_" + secrets.token_hex(24),
    }


def application_environment(
    *,
    database_url: str,
    redis_url: str,
    base_url: str = NOBODY_LISTENS,
    sandbox_url: str = NOBODY_LISTENS,
    mail: Path | None = None,
    kept: Secrets,
) -> Secrets:
    """Every variable the application needs to run against these services. Mails become files in `mail`."""
    return {
        **kept,
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "BASE_URL": base_url,
        "SANDBOX_URL": sandbox_url,
        "STRIPE_API_BASE": sandbox_url,
        "FAST_MIGRATIONS": "1",
        **({"EMAIL_URL": f"filemail:///{quote(str(mail))}"} if mail else {}),
    }


def child_environment(values: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with `values` over it, for a Python program of the checkout."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": os.pathsep.join(paths), **values}
