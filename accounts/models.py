"""People and the accounts that pay. A person has an account of their own; an organisation's has members."""

import uuid
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower, Upper
from django.utils.timezone import now as real_now
from django.utils.translation import gettext_lazy as _

from accounts.enums import NotificationKind, Role

DEFAULT_USAGE_THRESHOLDS = (80, 95)


def default_usage_thresholds() -> list[int]:
    return list(DEFAULT_USAGE_THRESHOLDS)


class Language(models.TextChoices):
    FRENCH = "fr", _("French")
    ENGLISH = "en", _("English")


class Theme(models.TextChoices):
    SYSTEM = "system", _("As the system")
    LIGHT = "light", _("Light")
    DARK = "dark", _("Dark")


class UserManager(BaseUserManager["User"]):
    """E-mail addresses are kept in lower case, as allauth looks them up, and compared without it."""

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        if not email:
            raise ValueError("an e-mail address is needed")
        user = self.model(email=email, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in, by e-mail."""

    email = models.EmailField(_("e-mail address"), max_length=254)
    display_name = models.CharField(_("name"), max_length=80, blank=True)
    language = models.CharField(
        _("language"), max_length=2, choices=Language.choices, default=Language.ENGLISH
    )
    timezone = models.CharField(_("time zone"), max_length=64, default="UTC")
    theme = models.CharField(_("theme"), max_length=6, choices=Theme.choices, default=Theme.SYSTEM)
    notifications = models.JSONField(default=dict, blank=True)
    usage_thresholds = ArrayField(
        models.PositiveSmallIntegerField(), default=default_usage_thresholds, blank=True
    )
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    date_joined = models.DateTimeField(default=real_now)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(Lower("email"), name="user_email_once")]

    def __str__(self) -> str:
        """Names nobody: pages of the administration write it for everybody who may see the row that points here."""
        return f"user {self.pk}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.email = self.email.strip().lower()
        super().save(*args, **kwargs)

    @property
    def name_or_email(self) -> str:
        return self.display_name or self.email


class AccountKind(models.TextChoices):
    PERSONAL = "personal", _("Personal")
    ORGANISATION = "organisation", _("Organisation")


class Account(models.Model):
    """The tenant that pays and whose use is counted. Everything that is metered carries its id."""

    id = models.BigAutoField(primary_key=True)
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=12, choices=AccountKind.choices)
    name = models.CharField(max_length=120)
    personal_owner = models.OneToOneField(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="personal_account"
    )
    billing_email = models.EmailField(max_length=254, blank=True)
    stripe_customer_id = models.CharField(max_length=64, null=True, unique=True)
    created_at = models.DateTimeField(default=real_now)
    members = models.ManyToManyField(User, through="Membership", related_name="accounts")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(kind=AccountKind.PERSONAL, personal_owner__isnull=False)
                | models.Q(kind=AccountKind.ORGANISATION, personal_owner__isnull=True),
                name="account_personal_has_owner",
            ),
        ]
        # How staff look for an address; a name is found by its beginning with an index that migration 0009 makes.
        indexes: ClassVar = [models.Index(Upper("billing_email"), name="account_by_billing_email")]
        # What staff may do to an account (accounts.admin.roles); none of it follows from being staff.
        permissions: ClassVar = [
            ("adjust_credits", "Can give or take credits"),
            ("cancel_subscription", "Can cancel a subscription"),
            ("override_limit", "Can raise a limit for some time"),
            ("refund_invoice", "Can refund an invoice"),
            ("replay_events", "Can apply events and promises again"),
            ("resend_message", "Can send a message again"),
            ("undo_change", "Can take a scheduled change back"),
        ]

    def __str__(self) -> str:
        """Names nobody, as a user's does."""
        return f"account {self.pk}"

    @property
    def email(self) -> str:
        """What dj-stripe calls a subscriber's address."""
        return self.billing_email


class Membership(models.Model):
    """A person's place in an account."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=9, choices=Role.choices)
    created_at = models.DateTimeField(default=real_now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "user"], name="membership_once"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="membership_role_known"),
        ]


class EmailStatus(models.TextChoices):
    """How far a notification's mail is. `unsure`: the sender died while sending; it is not sent a second time."""

    NONE = "none", _("not by e-mail")
    WAITING = "waiting", _("to be sent")
    SENDING = "sending", _("being sent")
    SENT = "sent", _("sent")
    UNSURE = "unsure", _("perhaps sent")


class Notification(models.Model):
    """One thing a person is told, once for each cause.

    `template` names the words (accounts.notifications.messages), `context` holds the figures as plain values, so that
    the same notification reads right in whatever language its person uses later.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notices")
    account = models.ForeignKey(Account, null=True, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=20, choices=NotificationKind.choices)
    template = models.CharField(max_length=40)
    cause = models.CharField(max_length=160)
    context = models.JSONField(default=dict)
    in_app = models.BooleanField()
    email_status = models.CharField(max_length=7, choices=EmailStatus.choices)
    created_at = models.DateTimeField()
    emailed_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["user", "-created_at", "-id"], name="notification_by_user"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "cause"], name="notification_once_per_cause"),
            models.CheckConstraint(
                condition=models.Q(email_status="sent", emailed_at__isnull=False)
                | (~models.Q(email_status="sent") & models.Q(emailed_at__isnull=True)),
                name="notification_sent_has_time",
            ),
        ]


class AccountDeletion(models.Model):
    """A person's wish to be forgotten: written first, carried out by the request or, after a crash, by a task.

    What stays is this row. `kept` names what the law has kept elsewhere: the customer at Stripe whose invoices stay.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.OneToOneField(User, on_delete=models.PROTECT, related_name="deletion")
    account = models.ForeignKey(Account, null=True, on_delete=models.PROTECT, related_name="+")
    request_id = models.CharField(max_length=64, blank=True)
    kept = models.JSONField(default=dict)
    requested_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)


# At the end: it refers to people.
from accounts.news_models import News, NewsAudience  # noqa: E402

__all__ = [
    "Account",
    "AccountDeletion",
    "AccountKind",
    "EmailStatus",
    "Language",
    "Membership",
    "News",
    "NewsAudience",
    "Notification",
    "Role",
    "Theme",
    "User",
]
