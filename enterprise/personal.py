"""What organisations keep about a person: who asked them in, and which keys they made."""

from datetime import datetime
from typing import Any

from django.db.models import Q

from accounts.personal import Holder, Person, register
from enterprise.models import Credential, Invitation


def export(who: Person) -> dict[str, Any]:
    return {
        "invitations": [
            {
                "account": one.account.name,
                "email": one.email,
                "role": one.role,
                "created_at": one.created_at,
                "closed_at": one.closed_at,
            }
            for one in _about(who).select_related("account").order_by("created_at")
        ],
        "invited": list(
            Invitation.objects.filter(invited_by=who.user)
            .order_by("created_at")
            .values("email", "role", "created_at")
        ),
        "api_keys": list(
            Credential.objects.filter(created_by=who.user)
            .order_by("created_at")
            .values("name", "prefix", "created_at", "revoked_at")
        ),
    }


def erase(who: Person, now: datetime) -> None:  # noqa: ARG001 - one signature for all
    """Keys belong to the organisation and go on; a row of one names its maker by number only."""
    _about(who).delete()


def _about(who: Person) -> Any:
    return Invitation.objects.filter(Q(email__iexact=who.user.email) | Q(accepted_by=who.user))


register(Holder("enterprise", export, erase))
