"""What an organisation can do that its contract refused; registered with the meter."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from quotas import remedies
from quotas.enums import Source
from quotas.values import Decision


def amendment(account_id: int, decision: Decision) -> list[dict[str, Any]]:  # noqa: ARG001
    """A contract is amended by talking to somebody."""
    bound = decision.deciding
    if bound is None or bound.source != Source.CONTRACT:
        return []
    return [{"action": "contact", "url": f"mailto:{settings.SUPPORT_EMAIL}"}]


def register() -> None:
    remedies.register(amendment)
