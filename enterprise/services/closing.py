"""Closing an organisation: by an owner, for good.

First one transaction: its keys are revoked, offers withdrawn, nobody belongs to it any more, so that nothing is used or
begun from then on. Then what is paid ends, at Stripe, as when a person leaves; a promise carries that out after a crash or
while Stripe does not answer. Invoices, contracts and counts stay, as the law wants.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.enums import NotificationKind, Permission
from accounts.locks import lock_account
from accounts.models import Account, Membership, User
from accounts.notifications import notify
from accounts.passwords import password_check
from billing.selectors import live_subscription
from billing.services import subscription_end
from common import audit, outbox
from common.errors import DomainError, ValidationError
from common.formats import date_text
from enterprise.models import Closing, Contract, Credential, Invitation
from enterprise.rules.contracts import ContractState
from enterprise.selectors.contracts import contracts_of, state_at
from enterprise.selectors.members import role_checked

log = structlog.get_logger(__name__)

CLOSE = "enterprise.tasks.organisation_close"
OWN_TRY = timedelta(minutes=1)
"""So long the request that asks has for itself: two at once would be in each other's way at Stripe."""


def organisation_close(
    *, account: Account, actor: User, password: str, request_id: str, now: datetime
) -> bool:
    """Close it; whether all is done. False: its subscription is still to be ended at Stripe, which goes on by itself.

    RoleMissing for who is no owner, NotFound for who is no member; ValidationError for a wrong password, and while a
    contract runs or is to come. Then nothing has changed.
    """
    password_check(actor, password)
    _close(account, actor, request_id, now)
    try:
        subscription_end(account=account, user=actor, request_id=request_id, now=now)
    except DomainError as error:
        log.warning("organisation_close_waits", account=account.pk, code=error.code)
        return False
    return True


def closing_carry_out(*, account_id: int, user_id: int, request_id: str, now: datetime) -> None:
    """End what a closed organisation still pays. Done before: nothing. A DomainError leaves it to be done later."""
    account, user = Account.objects.get(pk=account_id), User.objects.get(pk=user_id)
    subscription_end(account=account, user=user, request_id=request_id, now=now)


def contract_in_the_way(account_id: int, now: datetime) -> Contract | None:
    """The contract that runs or is to come: while there is one, the organisation stays."""
    open_ones = (one for one in contracts_of(account_id) if state_at(one, now) != ContractState.ENDED)
    return next(open_ones, None)


def closing_consequences(account: Account) -> Sequence[str]:
    """What ends and what goes, in sentences."""
    lines = [_("Its API keys are revoked: every call with them is refused from then on.")]
    live = live_subscription(account.pk)
    if live is not None and live.stripe_subscription_id is not None:
        names = {"plan": live.plan.name, "date": date_text(live.current_period_end or live.started_at)}
        told = _("Its plan %(plan)s ends at once, though it is paid until %(date)s. Nothing is paid back.")
        lines += [
            told % names,
            _("What was used beyond the credits and is not paid yet stays due."),
            _("Credits that are left are lost."),
        ]
    return [*lines, _("Nobody belongs to it any more: none of its members sees anything of it.")]


@transaction.atomic
def _close(account: Account, actor: User, request_id: str, now: datetime) -> None:
    lock_account(account.pk)
    role_checked(account_id=account.pk, user=actor, permission=Permission.OWNERS)
    _check_contract(account, now)
    members = list(Membership.objects.filter(account=account).select_related("user"))
    keys = Credential.objects.filter(account=account, revoked_at=None).update(revoked_at=now)
    Invitation.objects.filter(account=account, closed_at=None).update(closed_at=now)
    for one in members:
        if one.user_id != actor.pk and one.user.is_active:
            notify(
                kind=NotificationKind.MEMBERSHIP,
                template="organisation_closed",
                cause=f"member:{one.pk}:{now.isoformat()}",
                context={"organisation": account.name},
                account=account,
                users=[one.user],
                now=now,
            )
    Closing.objects.create(account=account, closed_at=now)
    Membership.objects.filter(pk__in=[one.pk for one in members]).delete()
    audit.record(
        actor=actor,
        account_id=account.pk,
        action="organisation.closed",
        subject=f"account {account.public_id}",
        data={"keys_revoked": keys, "members": sorted(one.user_id for one in members)},
        now=now,
    )
    payload = {"account_id": account.pk, "user_id": actor.pk, "request_id": request_id}
    outbox.promise(CLOSE, payload, due_at=now + OWN_TRY, now=now)


def _check_contract(account: Account, now: datetime) -> None:
    found = contract_in_the_way(account.pk, now)
    if found is None:
        return
    told = _("%(title)s still binds both sides. Write to %(support)s to end it first.")
    names = {"title": found.title, "support": settings.SUPPORT_EMAIL}
    raise ValidationError.of("contract", "open", told % names)
