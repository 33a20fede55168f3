"""People and what they were told: found, shown, and sent again."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.http import HttpRequest

from accounts.admin.story import Act, Errand, Event, Finder, Found, Panel, ReasonForm, Source, Table, register
from accounts.models import Account, Membership, Notification, User
from accounts.notifications.messages import message_of, templates
from accounts.notifications.services import notification_resend
from common import audit, clock
from common.admin.base import ReadOnly
from common.models import AuditEntry

SHORTEST_NAME = 3
SENDABLE = 20
OWN = ("email", "display_name", "language", "timezone", "is_active", "date_joined", "last_login")
DIGITS = 18
UUID_TEXT = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)


@admin.register(User)
class UserAdmin(ReadOnly):
    """Who belongs to the staff, and by which groups, is a superuser's business; the rest is the person's own."""

    list_display = ("email", "display_name", "is_active", "is_staff", "date_joined", "last_login")
    list_filter = ("is_staff", "is_active")
    search_fields = ("=email",)  # for the field to be there: see get_search_results
    search_help_text = "An e-mail address"
    ordering = ("-id",)
    fields = (*OWN, "is_staff", "groups")
    readonly_fields = OWN
    filter_horizontal = ("groups",)

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Any], search_term: str
    ) -> tuple[models.QuerySet[Any], bool]:
        """By the address however it is written, which is what the database keeps unique."""
        del request
        address = search_term.replace("\0", "").strip().lower()
        return (queryset.alias(known=Lower("email")).filter(known=address) if address else queryset), False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:  # noqa: ARG002
        return bool(request.user.is_active and request.user.is_superuser)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """With an entry in the trail, like everything that gives rights."""
        super().save_related(request, form, formsets, change)
        user = form.instance
        roles = sorted(user.groups.values_list("name", flat=True))
        audit.record(
            actor=request.user,
            account_id=None,
            action="staff.changed",
            subject=f"user {user.pk}",
            data={"is_staff": user.is_staff, "roles": roles},
            now=clock.now(),
        )


def by_address(text: str) -> Iterable[Found]:
    if "@" not in text:
        return
    address = text.lower()
    people = list(User.objects.alias(known=Lower("email")).filter(known=address).values_list("pk", flat=True))
    # One question for each index: joined by OR they would be answered from the whole table.
    theirs = {
        *Account.objects.filter(personal_owner__in=people).values_list("pk", flat=True),
        *Membership.objects.filter(user__in=people).values_list("account_id", flat=True),
    }
    yield from (Found(account_id, f"signs in as {address}") for account_id in sorted(theirs))
    pays = Account.objects.filter(billing_email__iexact=address).exclude(pk__in=theirs)
    yield from (Found(account.pk, f"invoices go to {address}") for account in pays)


def account_numbered(text: str) -> Account | None:
    """The account of that number, as staff or an address give it."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= DIGITS
    return Account.objects.filter(pk=int(text)).first() if is_number else None


def by_number(text: str) -> Iterable[Found]:
    if (numbered := account_numbered(text)) is not None:
        yield Found(numbered.pk, "account number")
    elif UUID_TEXT.fullmatch(text):
        yield from (Found(one.pk, "account id") for one in Account.objects.filter(public_id=text))
    elif text.startswith("cus_"):
        yield from (
            Found(one.pk, "Stripe customer") for one in Account.objects.filter(stripe_customer_id=text)
        )


def by_name(text: str) -> Iterable[Found]:
    if "@" not in text and len(text) >= SHORTEST_NAME and not text.isdecimal():
        for account in Account.objects.filter(name__istartswith=text).order_by("name", "pk")[:SENDABLE]:
            yield Found(account.pk, "name")


def people_panel(account: Account, now: datetime) -> Table:  # noqa: ARG001 - one signature for all
    members = Membership.objects.filter(account=account).select_related("user").order_by("created_at")
    rows = [_person_row(one.user, one.get_role_display()) for one in members]
    if account.personal_owner is not None:
        rows.insert(0, _person_row(account.personal_owner, "person"))
    return Table(("Person", "E-mail", "Role", "Language, time zone", "Last sign-in", "State"), rows)


def _person_row(user: User, role: str) -> list[Any]:
    state = "active" if user.is_active else "deleted or blocked"
    words = f"{user.language}, {user.timezone}"
    return [user.display_name or "—", user.email, role, words, user.last_login, state]


def messages_before(account: Account, before: datetime, limit: int) -> Iterable[Event]:
    rows = Notification.objects.filter(_about(account), created_at__lt=before).select_related("user")
    for one in rows.order_by("-created_at")[:limit]:
        sent = one.get_email_status_display()
        yield Event(
            at=one.created_at,
            kind="message",
            title=f"Told: {_subject(one)}",
            detail=f"to {one.user.email}; e-mail {sent}"
            + (f" {one.emailed_at:%Y-%m-%d %H:%M}" if one.emailed_at else ""),
            tone="warn" if one.email_status == "unsure" else "",
        )


def _subject(notification: Notification) -> str:
    """Its subject; of one whose words the product no longer has, their name."""
    if notification.template not in templates():
        return notification.template
    return message_of(notification.template, notification.context).subject


def _about(account: Account) -> Q:
    if account.personal_owner_id is not None:
        return Q(user=account.personal_owner_id)
    return Q(account=account)


def audit_before(account: Account, before: datetime, limit: int) -> Iterable[Event]:
    rows = AuditEntry.objects.filter(account_id=account.pk, at__lt=before).order_by("-at")[:limit]
    return (_entry(row) for row in rows)


def audit_of_request(request_id: str) -> Iterable[tuple[int | None, Event]]:
    rows = AuditEntry.objects.filter(request_id=request_id).exclude(request_id="").order_by("at")
    return ((row.account_id, _entry(row)) for row in rows[:100])


def _entry(row: AuditEntry) -> Event:
    data = ", ".join(
        f"{name}: {value}" for name, value in row.data.items() if value not in (None, "", [], {})
    )
    parts = (row.subject, f"“{row.reason}”" if row.reason else "", data)
    return Event(
        at=row.at,
        kind="audit",
        title=row.action,
        detail=" · ".join(part for part in parts if part),
        by=f"{row.actor_label} {row.actor_id or ''}".strip(),
        request_id=row.request_id,
        tone="warn" if row.action.endswith(("_refused", ".refused", ".failed")) else "",
    )


class MessageChoice(forms.ModelChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.created_at:%Y-%m-%d %H:%M} {_subject(obj)}"


class MessageForm(ReasonForm):
    message = MessageChoice(Notification.objects.none(), label="Message", empty_label=None)

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, account=account, **kwargs)
        newest = Notification.objects.filter(_about(account)).order_by("-created_at")[:SENDABLE]
        choices = self.fields["message"]
        assert isinstance(choices, forms.ModelChoiceField)
        choices.queryset = Notification.objects.filter(pk__in=[one.pk for one in newest]).order_by(
            "-created_at"
        )


def resend(errand: Errand) -> str:
    notification = errand.values["message"]
    notification_resend(notification_id=notification.pk, once=str(errand.once), now=errand.now)
    return "The message is on its way again."


register(
    Finder("address", "accounts.view_user", by_address),
    Finder("number", "accounts.view_account", by_number),
    Finder("name", "accounts.view_user", by_name),
    Panel("people", "People", "accounts.view_user", people_panel, order=20),
    Source("message", "Messages", "accounts.view_notification", messages_before),
    Source("audit", "Audit", "common.view_auditentry", audit_before, audit_of_request),
    Act(
        "resend",
        "Send a message again",
        "accounts.resend_message",
        resend,
        says="The same message goes to the same person by e-mail once more, whatever they chose for this kind.",
        form=MessageForm,
        offered=lambda account: Notification.objects.filter(_about(account)).exists(),
    ),
)
