"""The demo's organisations: each with its owner and one API key, made by the services that real ones meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from allauth.account.models import EmailAddress

from accounts.models import Account, User
from accounts.selectors import account_of_user
from accounts.services import organisation_register
from billing.demo import DOMAIN, PASSWORD, card_on_file
from billing.selectors import live_subscription
from billing.services import subscription_start
from common.clock import database_now
from enterprise.enums import CredentialStatus, Scope
from enterprise.rules import keys
from enterprise.rules.contracts import LimitTerms
from enterprise.selectors import credential_found, credentials_of
from enterprise.services import contract_create, credential_create, credential_revoke
from quotas.enums import EntryKind
from quotas.models import LedgerEntry
from quotas.services import wallet_adjust
from quotas.wallet_selectors import wallet_status

KEY_NAME = "Demo"

Step = Callable[[Account, datetime], str | None]


@dataclass(frozen=True)
class Organisation:
    """`name` is that of the owner's address and of the key; the steps bring the account into its state."""

    name: str
    title: str
    owner: str
    steps: tuple[Step, ...] = ()
    language: str = "en"


def seed(*, api_keys: MutableMapping[str, str] | None, now: datetime) -> Iterator[str]:
    """Makes whatever is missing; yields what was done. Keys that were made are put into `api_keys`.

    A key that is not known in clear any more is revoked and replaced. Without `api_keys` no keys are made.
    """
    for one in ORGANISATIONS:
        email = f"{one.name}@{DOMAIN}"
        user = User.objects.filter(email=email).first()
        if user is None:
            organisation_register(
                email=email,
                password=PASSWORD,
                display_name=one.owner,
                organisation=one.title,
                language=one.language,
                now=now,
            )
            user = User.objects.get(email=email)
            EmailAddress.objects.filter(user=user).update(verified=True)  # two-factor sign-in asks for that
            yield f"{email}: made"
        account = account_of_user(user)
        if api_keys is not None and not _is_key_of(account, api_keys.get(one.name, ""), now):
            api_keys[one.name] = _key_made(account, user, now)
            yield f"{email}: API key made"
        for step in one.steps:
            if said := step(account, now):
                yield f"{email}: {said}"


def _is_key_of(account: Account, text: str, now: datetime) -> bool:
    key = keys.parse(text)
    found = credential_found(key.prefix) if key else None
    if key is None or found is None:
        return False
    credential, _at = found
    return (
        credential.account_id == account.pk
        and bytes(credential.secret_hash) == key.digest
        and credential.status_at(now) == CredentialStatus.ACTIVE
    )


def _key_made(account: Account, user: User, now: datetime) -> str:
    for lost in credentials_of(account.pk).filter(name=KEY_NAME, revoked_at=None):
        credential_revoke(
            account_id=account.pk,
            credential_id=lost.public_id,
            actor=user,
            reason="its key was lost",
            now=now,
        )
    return credential_create(account=account, name=KEY_NAME, scopes=Scope.values, actor=user, now=now).secret


def under_contract(*limits: LimitTerms) -> Step:
    def step(account: Account, now: datetime) -> str | None:
        """Once, from the first of the month on, so that its periods are calendar months."""
        if account.contracts.exists():
            return None
        contract_create(
            account=account,
            title=f"{account.name} {now:%Y}",
            currency="usd",
            limits=limits,
            starts_at=now.replace(day=1, hour=0, minute=0, second=0, microsecond=0),
            actor=None,
            reason="demo",
            now=now,
        )
        return "under contract"

    return step


def subscribed_to(plan: str) -> Step:
    def step(account: Account, now: datetime) -> str | None:
        """Once: who has changed the plan since keeps what they chose."""
        if live_subscription(account.pk) is not None:
            return None
        owner = account.members.order_by("pk").first()
        assert owner is not None, "an organisation of the demo has its owner"
        subscription_start(
            account=account, user=owner, plan=plan, interval=None, request_id="seed-demo", now=now
        )
        return f"subscribed to {plan}"

    return step


def without_credits(account: Account, now: datetime) -> str | None:
    """Once: the credits of later periods are theirs to use."""
    now = database_now()  # after the grant, which is of a moment of this run
    left = wallet_status(account_id=account.pk, at=now).balance_units
    if left == 0 or LedgerEntry.objects.filter(account=account, kind=EntryKind.ADJUSTMENT).exists():
        return None
    wallet_adjust(
        account_id=account.pk,
        units=-left,
        request_id=f"demo:{account.pk}",
        reason="demo: an account that has used up its credits",
        actor="seed_demo",
        now=now,
    )
    return "without credits"


ORGANISATIONS = (
    Organisation(
        "acme",
        "Acme",
        "Alice Acme",
        (under_contract(LimitTerms("api_calls", "day", 1_000), LimitTerms("api_calls", "month", 20_000)),),
    ),
    Organisation(
        "globex",
        "Globex",
        "Gilles Globex",
        (under_contract(LimitTerms("api_calls", "day", 100, "overage", Decimal(2))),),
        language="fr",
    ),
    Organisation("starter", "Starter Store", "Stella Starter", (card_on_file, subscribed_to("starter"))),
    Organisation(
        "growth", "Growth Store", "Grégoire Growth", (card_on_file, subscribed_to("growth")), language="fr"
    ),
    Organisation("dry", "Dry Store", "Dora Dry", (card_on_file, subscribed_to("growth"), without_credits)),
)
