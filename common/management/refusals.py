"""A refusal of the product's, as a command tells it."""

from django.core.management.base import CommandError

from common.errors import DomainError


def refused(error: DomainError) -> CommandError:
    """Its code, and what is wrong with which value; exit code 1."""
    fields = "; ".join(f"{one['field']}: {one['message']}" for one in error.details.get("fields", []))
    return CommandError(f"{error.code}: {fields or error.message}")
