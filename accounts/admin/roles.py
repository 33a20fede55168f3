"""Roles of staff as groups, each with the least rights its work needs. Everybody else's rights are a superuser's to give.

support: answers customers. billing: money back and endings, too. operator: keeps the machinery running and sees no
names, addresses or cards. auditor: reads everything and does nothing.
"""

from collections.abc import Callable
from typing import Any

STORY = ("accounts.view_account",)
PEOPLE = ("accounts.view_user", "accounts.view_notification")
USE = (
    "quotas.view_refusedcall",
    "quotas.view_bucket",
    "quotas.view_entitlement",
    "quotas.view_ledgerentry",
    "quotas.view_grant",
    "quotas.view_usageday",
    "quotas.view_reservation",
)
PLANS = ("billing.view_subscription", "billing.view_planchange", "enterprise.view_contract")
MONEY = (
    "billing.view_paymentattempt",
    "billing.view_invoicepayment",
    "billing.view_unpaidinvoice",
    "billing.view_refund",
    "billing.view_dispute",
    "billing.view_withdrawal",
    "billing.view_overagecharge",
)
KEYS = ("enterprise.view_credential",)
TRAIL = ("common.view_auditentry",)
WATCH = ("common.view_anomaly",)
MACHINERY = ("common.view_outboxmessage", "billing.view_drift")

ROLES: dict[str, tuple[str, ...]] = {
    "support": (
        *STORY,
        *PEOPLE,
        *USE,
        *PLANS,
        *MONEY,
        *KEYS,
        *TRAIL,
        *WATCH,
        "accounts.resend_message",
        "accounts.adjust_credits",
        "accounts.override_limit",
        "accounts.undo_change",
    ),
    "billing": (
        *STORY,
        *PEOPLE,
        *USE,
        *PLANS,
        *MONEY,
        *TRAIL,
        *WATCH,
        "accounts.adjust_credits",
        "accounts.undo_change",
        "accounts.cancel_subscription",
        "accounts.refund_invoice",
    ),
    "operator": (*STORY, *USE, *PLANS, *WATCH, *MACHINERY, "accounts.replay_events"),
    "auditor": (*STORY, *PEOPLE, *USE, *PLANS, *MONEY, *KEYS, *TRAIL, *WATCH, *MACHINERY),
}


def roles_install(model: Callable[[str, str], Any]) -> None:
    """Make the groups that are missing and give each its rights; what a superuser added to them stays.

    `model` finds a model by app and name, as a migration's `apps.get_model` does. Rights of apps whose tables are still
    to be made are written down beforehand.
    """
    groups, permissions = model("auth", "Group"), model("auth", "Permission")
    kinds = model("contenttypes", "ContentType")
    for role, rights in ROLES.items():
        group, _ = groups.objects.get_or_create(name=role)
        for right in rights:
            app, codename = right.split(".")
            kind, _ = kinds.objects.get_or_create(
                app_label=app, model=codename.split("_")[-1] if codename.startswith("view_") else "account"
            )
            permission, _ = permissions.objects.get_or_create(
                content_type=kind,
                codename=codename,
                defaults={"name": codename.replace("_", " ").capitalize()},
            )
            group.permissions.add(permission)
