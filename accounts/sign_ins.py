"""Where a person is signed in: browsers by their session, programs by their refresh tokens. Seen, and ended."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import chain

from allauth.usersessions.models import UserSession
from django.db import transaction
from django.db.models import CharField, Count, F, Func, Max, Min, Q, Value
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from accounts import tokens
from accounts.locks import lock_token_family
from accounts.models import User
from common.database import real_now
from common.errors import NotFound

SIGN_IN_ID = re.compile(r"(browser)_([0-9]{1,18})|(api)_([0-9a-f]{32})")


class SignInKind(StrEnum):
    BROWSER = "browser"
    API = "api"


@dataclass(frozen=True, slots=True)
class SignIn:
    """One browser or program. Where a program calls from is not kept: `ip` None, `user_agent` empty."""

    id: str
    kind: SignInKind
    created_at: datetime
    last_seen_at: datetime
    ip: str | None = None
    user_agent: str = ""


def sign_ins(user: User) -> list[SignIn]:
    """Those that are still good, the one seen last first."""
    return sorted(chain(_browsers(user), _programs(user)), key=lambda one: one.last_seen_at, reverse=True)


def browser_id(*, user: User, session_key: str) -> str:
    """Which of them has that session; empty when none has."""
    found = UserSession.objects.filter(user=user, session_key=session_key).values_list("pk", flat=True)
    return "".join(f"{SignInKind.BROWSER}_{pk}" for pk in found)


def _browsers(user: User) -> Iterator[SignIn]:
    for one in UserSession.objects.purge_and_list(user):
        yield SignIn(
            f"{SignInKind.BROWSER}_{one.pk}",
            SignInKind.BROWSER,
            one.created_at,
            one.last_seen_at,
            one.ip,
            one.user_agent,
        )


def _programs(user: User) -> Iterator[SignIn]:
    """One for each family of refresh tokens of which one can still be used; it was last seen when that one was made."""
    first_part = Func(
        F("jti"), Value(tokens.FAMILY_END), Value(1), function="split_part", output_field=CharField()
    )
    is_good = Q(blacklistedtoken=None, expires_at__gt=real_now())
    families = (
        OutstandingToken.objects.filter(user=user)
        .annotate(family=first_part)
        .values("family")
        .annotate(began=Min("created_at"), last=Max("created_at"), good=Count("pk", filter=is_good))
        .filter(good__gt=0)
    )
    for one in families:
        yield SignIn(f"{SignInKind.API}_{one['family']}", SignInKind.API, one["began"], one["last"])


def sign_in_end(*, user: User, sign_in_id: str) -> None:
    """Sign one of them out. NotFound for what is not this person's, or has ended.

    A program's access token is good until it expires, minutes later; it gets no other.
    """
    found = SIGN_IN_ID.fullmatch(sign_in_id)
    if found is None:
        raise NotFound
    if found[1]:
        session = UserSession.objects.filter(user=user, pk=int(found[2])).first()
        if session is None or session.purge():
            raise NotFound
        session.end()
    elif not _program_end(user, found[4]):
        raise NotFound


def sign_ins_end(*, user: User, but: str = "") -> int:
    """Sign all of them out, browsers and programs, but the one with that id; how many there were."""
    ended = 0
    for one in sign_ins(user):
        if one.id == but:
            continue
        try:
            sign_in_end(user=user, sign_in_id=one.id)
        except NotFound:  # it ended by itself meanwhile
            continue
        ended += 1
    return ended


@transaction.atomic
def _program_end(user: User, family: str) -> bool:
    lock_token_family(family)
    return tokens.family_withdraw(family, user=user)
