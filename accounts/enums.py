"""What a person can be told about, and by which way; what they are in an organisation."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class NotificationKind(models.TextChoices):
    """Causes of notifications; each can be turned off by way, and news has to be turned on."""

    QUOTA_THRESHOLD = "quota_threshold", _("A limit is nearly or fully used")
    PAYMENT_REMINDER = "payment_reminder", _("A payment is due soon")
    PAYMENT_FAILED = "payment_failed", _("A payment failed")
    CARD_EXPIRING = "card_expiring", _("A card is about to expire")
    PLAN_CHANGED = "plan_changed", _("The plan changed or is about to")
    TRIAL_ENDING = "trial_ending", _("A trial is about to end")
    OVERAGE = "overage", _("Overage began or its cap is near")
    KEY_EXPIRING = "key_expiring", _("An API key is about to expire")
    CONTRACT_LIMIT = "contract_limit", _("A contract's limit is near")
    MEMBERSHIP = "membership", _("Your place in an organisation changed")
    NEWS = "news", _("News about features")


class Channel(models.TextChoices):
    EMAIL = "email", _("By mail")
    IN_APP = "in_app", _("In the app")


class Role(models.TextChoices):
    """What a member of an organisation is. What each may do: accounts.roles."""

    OWNER = "owner", _("Owner")
    ADMIN = "admin", _("Administrator")
    DEVELOPER = "developer", _("Developer")
    BILLING = "billing", _("Billing")
    VIEWER = "viewer", _("Viewer")


class Permission(models.TextChoices):
    """What a role may let somebody do for an organisation."""

    VIEW = "view", _("See limits, usage, costs, contract and members")
    KEYS = "keys", _("Make, rotate and revoke API keys")
    MEMBERS = "members", _("Invite, change and remove members")
    BILLING = "billing", _("Change the plan, pay, set the spend cap")
    OWNERS = "owners", _("Make and remove owners")
