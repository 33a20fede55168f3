"""What each role lets a member of an organisation do. The one table: pages, services and the API ask it."""

from __future__ import annotations

from collections.abc import Mapping

from accounts.enums import Permission, Role

ALL = frozenset(Permission)

MAY: Mapping[str, frozenset[Permission]] = {
    Role.OWNER: ALL,
    Role.ADMIN: ALL - {Permission.OWNERS},
    Role.DEVELOPER: frozenset({Permission.VIEW, Permission.KEYS}),
    Role.BILLING: frozenset({Permission.VIEW, Permission.BILLING}),
    Role.VIEWER: frozenset({Permission.VIEW}),
}


def may(role: str, permission: Permission) -> bool:
    """Whether a member in that role may do this; no role may anything that is not in the table."""
    return permission in MAY.get(role, frozenset())


def may_give(actor_role: str, role: str) -> bool:
    """Whether who is `actor_role` may make somebody a `role`, or touch somebody who is one."""
    return may(actor_role, Permission.OWNERS if role == Role.OWNER else Permission.MEMBERS)


def roles_that_may(permission: Permission) -> list[Role]:
    """The roles that let somebody do this, the mightiest first."""
    return [role for role in Role if may(role, permission)]


def roles_to_give(actor_role: str) -> list[Role]:
    """The roles that who is `actor_role` may give, the mightiest first."""
    return [role for role in Role if may_give(actor_role, role)]
