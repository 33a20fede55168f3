"""What this app keeps about a person."""

from datetime import datetime
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db.models import Q, QuerySet
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from accounts.inbox import notification_json
from accounts.models import Account, AccountKind, Membership, Notification, Role, User
from accounts.personal import Person
from accounts.settings import settings_json
from common.personal import answers_forget, audit_of

GONE = "deleted-{id}@deleted.invalid"


def export(who: Person) -> dict[str, Any]:
    user = who.user
    return {
        "email": user.email,
        "joined_at": user.date_joined,
        "last_sign_in_at": user.last_login,
        "settings": settings_json(user),
        "addresses": list(EmailAddress.objects.filter(user=user).values("email", "verified", "primary")),
        "two_factor": Authenticator.objects.filter(user=user).exists(),
        "sessions": list(
            UserSession.objects.filter(user=user).values("created_at", "ip", "user_agent", "last_seen_at")
        ),
        "memberships": [
            {"account": one.account.name, "role": one.role, "since": one.created_at}
            for one in Membership.objects.filter(user=user).select_related("account")
        ],
        "notifications": [
            notification_json(one) for one in Notification.objects.filter(user=user).order_by("created_at")
        ],
        "audit": audit_of(actor_id=user.pk, account_id=who.account.pk if who.account else None),
    }


def organisations_naming(user: User) -> QuerySet[Account]:
    """Those the person belongs to, and those whose invoices still go to them though they have left or it was closed."""
    own = Q(memberships__user=user) | Q(kind=AccountKind.ORGANISATION, billing_email__iexact=user.email)
    return Account.objects.filter(own).distinct().order_by("pk")


def erase(who: Person, now: datetime) -> None:  # noqa: ARG001 - one signature for all
    """The person's row stays as a number, so that history and books keep their sums; nothing in it says who it was."""
    user = who.user
    organisations = list(organisations_naming(user))
    sessions = UserSession.objects.filter(user=user)
    Session.objects.filter(session_key__in=list(sessions.values_list("session_key", flat=True))).delete()
    for rows in (
        sessions,
        EmailAddress.objects.filter(user=user),
        Authenticator.objects.filter(user=user),
        OutstandingToken.objects.filter(user=user),
        Membership.objects.filter(user=user),
        Notification.objects.filter(user=user),
    ):
        rows.delete()
    _forget_in_organisations(user, organisations)
    _forget_in_admin_log(who)
    answers_forget(caller=f"user:{user.pk}")
    _pseudonymise(user)
    if who.account is not None:
        Account.objects.filter(pk=who.account.pk).update(
            name=f"deleted-{who.account.pk}", billing_email="", stripe_customer_id=None
        )


def _forget_in_organisations(user: User, organisations: list[Account]) -> None:
    """Who stays pays: the organisation's invoices go to another owner. What colleagues were told of them goes."""
    names = {user.email, user.display_name} - {""}
    for organisation in organisations:
        if organisation.billing_email.lower() == user.email:
            heirs = User.objects.filter(memberships__account=organisation, is_active=True)
            heir = (
                heirs.filter(memberships__role=Role.OWNER).order_by("memberships__created_at", "pk").first()
            )
            organisation.billing_email = heir.email if heir else ""
            organisation.save(update_fields=["billing_email"])
    colleagues = Membership.objects.filter(account__in=organisations).values("user")
    told = Notification.objects.filter(user__in=colleagues, account__in=organisations).only("pk", "context")
    naming = [one.pk for one in told.iterator() if names & _texts(one.context)]
    Notification.objects.filter(pk__in=naming).delete()


def _texts(value: Any) -> set[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        return {value}
    if isinstance(value, dict):
        value = list(value.values())
    return set().union(*map(_texts, value)) if isinstance(value, list) else set()


def _forget_in_admin_log(who: Person) -> None:
    """The log of the administration names objects by their text, which for a person is the address."""
    for thing in filter(None, (who.user, who.account)):
        kind = ContentType.objects.get_for_model(thing)
        LogEntry.objects.filter(content_type=kind, object_id=str(thing.pk)).update(
            object_repr="deleted", change_message=""
        )


def _pseudonymise(user: User) -> None:
    user.email = GONE.format(id=user.pk)
    user.display_name = ""
    user.notifications = {}
    user.timezone = "UTC"
    user.is_active = user.is_staff = user.is_superuser = False
    user.last_login = None
    user.set_unusable_password()
    user.save()
    user.groups.clear()
    user.user_permissions.clear()
