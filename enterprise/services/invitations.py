"""Offering somebody a place in an organisation, by a link in a mail that works once.

What the link carries is made from the offer's id and the site's secret: so the mail can be written after the commit,
and again after a crash, although only the hash of it is kept.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core import exceptions
from django.core.validators import validate_email
from django.db import transaction
from django.urls import reverse
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from accounts.enums import Permission, Role
from accounts.locks import lock_account
from accounts.models import Account, Membership, User
from common import audit
from common.errors import NotFound, PermissionDenied, ValidationError
from common.mail import mail_send
from common.outbox import Hopeless, promise
from enterprise.models import Invitation
from enterprise.selectors.members import invitation_found, invitation_get, invitations_open, role_checked
from enterprise.services.members import check_may_give, role_of_text

TTL = timedelta(days=7)
MOST_OPEN = 100
MAX_EMAIL_LENGTH = 254
MAIL = "enterprise.invitation_mail"
SALT = "enterprise.invitation"


@transaction.atomic
def member_invite(*, account: Account, actor: User, email: str, role: str, now: datetime) -> Invitation:
    """Offer a role to an address; the mail with the link follows. It can be taken for 7 days.

    RoleMissing unless `actor` may give that role; ValidationError for what is no address, for a member, for an
    address that has an open offer already (send that one again, or withdraw it), and for too many open ones.
    """
    address, wanted = _address(email), role_of_text(role)
    lock_account(account.pk)
    own = role_checked(account_id=account.pk, user=actor, permission=Permission.MEMBERS)
    check_may_give(own, wanted)
    if Membership.objects.filter(account=account, user__email=address).exists():
        raise ValidationError.of("email", "member", _("This person is a member already."))
    open_ones = invitations_open(account_id=account.pk, now=now)
    if open_ones.filter(email=address).exists():
        raise ValidationError.of(
            "email",
            "invited",
            _("This address is invited already. Send that invitation again, or withdraw it."),
        )
    if open_ones.count() >= MOST_OPEN:
        raise ValidationError.of(
            "email", "too_many", _("Too many invitations are open. Withdraw some first.")
        )
    Invitation.objects.filter(account=account, email=address, closed_at=None).update(closed_at=now)  # expired
    invitation = _offer(account, actor, address, wanted, now)
    _audit("invitation.made", invitation, actor, now)
    return invitation


@transaction.atomic
def invitation_resend(*, account: Account, actor: User, invitation_id: UUID, now: datetime) -> Invitation:
    """The same offer anew, with another link; the one mailed before stops working. NotFound, RoleMissing."""
    lock_account(account.pk)
    old = _closed(account, actor, invitation_id, now)
    invitation = _offer(account, actor, old.email, Role(old.role), now)
    _audit("invitation.sent_again", invitation, actor, now, before=str(old.public_id))
    return invitation


@transaction.atomic
def invitation_withdraw(*, account: Account, actor: User, invitation_id: UUID, now: datetime) -> Invitation:
    """Take an offer back: its link stops working. NotFound for one that is not open here; RoleMissing."""
    lock_account(account.pk)
    invitation = _closed(account, actor, invitation_id, now)
    _audit("invitation.withdrawn", invitation, actor, now)
    return invitation


@transaction.atomic
def invitation_accept(*, token: str, user: User, now: datetime) -> Membership:
    """Join. NotFound for a link that is not ours or not open any more; PermissionDenied for another address's offer.

    Pressed twice by the same person it is one joining. Who is a member already stays what they are.
    """
    found = invitation_found(token_hash(token))
    if found is None:
        raise NotFound
    lock_account(found.account_id)
    invitation = Invitation.objects.select_related("account").get(pk=found.pk)
    if not is_for(invitation, user):
        raise PermissionDenied(
            _("This invitation is for another address. Sign in with the address it was sent to.")
        )
    own = Membership.objects.filter(account_id=invitation.account_id, user=user).first()
    if own is not None and invitation.accepted_by_id == user.pk:
        return own
    if not is_open(invitation, now):
        raise NotFound(_("This invitation was used, withdrawn or has expired. Ask for a new one."))
    Invitation.objects.filter(pk=invitation.pk).update(closed_at=now, accepted_by=user)
    membership, is_new = Membership.objects.get_or_create(
        account_id=invitation.account_id, user=user, defaults={"role": invitation.role, "created_at": now}
    )
    _audit("member.joined", invitation, user, now, is_new=is_new)
    return membership


def invitation_mail_send(*, invitation_id: int, now: datetime) -> None:
    """Mail an offer, unless it has ended meanwhile. In the reader's language when they are known, else in the inviter's.

    Hopeless when the site's secret has changed since: the link would lead nowhere.
    """
    invitation = Invitation.objects.select_related("account", "invited_by").filter(pk=invitation_id).first()
    if invitation is None or not is_open(invitation, now):  # none: its person had themselves forgotten
        return
    token = _token(invitation.public_id)
    if not hmac.compare_digest(token_hash(token), bytes(invitation.token_hash)):
        raise Hopeless("the site's secret has changed: have the invitation sent again")
    reader = User.objects.filter(email=invitation.email).first() or invitation.invited_by
    mail_send(
        to=invitation.email,
        template="invitation",
        context=partial(_mail_context, invitation, settings.BASE_URL + reverse("invitation", args=[token])),
        language=reader.language if reader else "en",
        zone=reader.timezone if reader else "UTC",
        message_id=f"invitation-{invitation.public_id}",
    )


def token_hash(token: str) -> bytes:
    """What is kept of a link. Plain SHA-256: 256 bits that look random cannot be guessed."""
    return sha256(token.encode()).digest()


def is_open(invitation: Invitation, now: datetime) -> bool:
    """Whether it can still be taken."""
    return invitation.closed_at is None and invitation.expires_at > now


def is_for(invitation: Invitation, user: User) -> bool:
    """Whether the offer was made to this person: to the address they sign in with, or another they have confirmed."""
    if user.email == invitation.email:
        return True
    return EmailAddress.objects.filter(user=user, email__iexact=invitation.email, verified=True).exists()


def _token(public_id: UUID) -> str:
    digest = salted_hmac(SALT, str(public_id), algorithm="sha256").digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def _offer(account: Account, actor: User, address: str, role: Role, now: datetime) -> Invitation:
    public_id = uuid4()
    invitation = Invitation.objects.create(
        public_id=public_id,
        account=account,
        email=address,
        role=role,
        token_hash=token_hash(_token(public_id)),
        invited_by=actor,
        created_at=now,
        expires_at=now + TTL,
    )
    promise(MAIL, {"invitation_id": invitation.pk}, now=now)
    return invitation


def _closed(account: Account, actor: User, invitation_id: UUID, now: datetime) -> Invitation:
    own = role_checked(account_id=account.pk, user=actor, permission=Permission.MEMBERS)
    invitation = invitation_get(account_id=account.pk, invitation_id=invitation_id)
    check_may_give(own, invitation.role)
    Invitation.objects.filter(pk=invitation.pk).update(closed_at=now)
    return invitation


def _address(email: str) -> str:
    address = email.strip().lower()
    try:
        validate_email(address)
    except exceptions.ValidationError as error:
        raise ValidationError.of("email", "invalid", _("This is not an e-mail address.")) from error
    if len(address) > MAX_EMAIL_LENGTH:
        raise ValidationError.of("email", "invalid", _("This is not an e-mail address."))
    return address


def _mail_context(invitation: Invitation, url: str) -> dict[str, Any]:
    inviter = invitation.invited_by
    return {
        "organisation": invitation.account.name,
        "inviter": inviter.name_or_email if inviter else invitation.account.name,
        "role": Role(invitation.role).label,
        "url": url,
        "email": invitation.email,
        "expires_at": invitation.expires_at,
    }


def _audit(action: str, invitation: Invitation, actor: User, now: datetime, **data: Any) -> None:
    """Without the address: the trail outlives it."""
    audit.record(
        actor=actor,
        account_id=invitation.account_id,
        action=action,
        subject=f"invitation {invitation.public_id}",
        data={"role": invitation.role, **data},
        now=now,
    )
