"""What every page knows."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def page_context(request: HttpRequest) -> dict[str, Any]:  # noqa: ARG001
    return {"SANDBOX": settings.SANDBOX}
