"""Which scopes a member may put on a key: none that does what their role does not let them do themselves."""

from __future__ import annotations

from accounts.enums import Permission
from accounts.roles import may
from enterprise.enums import Scope

# What a scope lets a key do beyond what whoever may make keys may do.
NEEDS = {Scope.BILLING_WRITE: Permission.BILLING}


def scopes_of(role: str) -> list[Scope]:
    """The scopes that somebody in this role may give to a key."""
    if not may(role, Permission.KEYS):
        return []
    return [scope for scope in Scope if scope not in NEEDS or may(role, NEEDS[scope])]
