"""Addresses that exist twice."""

from typing import Any

from django.urls import URLPattern, path


def account_paths(route: str, view: Any, *, name: str) -> list[URLPattern]:
    """`v1/account/<route>` and its alias `api/account/<route>`, which serves the same view."""
    return [
        path(f"v1/account/{route}", view, name=name),
        path(f"api/account/{route}", view, name=f"{name}-alias"),
    ]
