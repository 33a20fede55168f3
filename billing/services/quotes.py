"""A quote: what a preview promised, signed, so that confirming it does exactly that or is refused.

It is no secret (whoever holds it was shown its content) and it is bound to one account and one state of its
subscription. It says the moment of proration, so that the invoice's amounts are the preview's.
"""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

from django.conf import settings
from django.core import signing
from django.utils.translation import gettext_lazy as _

from billing.gateways.values import PromotionState
from billing.models import Price, Subscription
from common.errors import ValidationError

SALT = "billing.quote"
MAX_LENGTH = 2000


@dataclass(frozen=True, slots=True)
class Quote:
    """`revision` is the subscription's when the quote was made; instants are whole seconds, as Stripe counts."""

    id: UUID
    account_id: int
    subscription_id: UUID
    revision: int
    from_price_id: int
    to_price_id: int
    proration_at: datetime
    due_minor: int
    currency: str
    expires_at: datetime
    promotion_id: str = ""
    promotion_code: str = ""
    trial_days: int | None = None

    def staleness(self, subscription: Subscription, target: Price, now: datetime) -> str | None:
        """Why it does not hold, as QuoteStale's `details.reason` says it; None while it does.

        `changed`: the subscription is not what it was, or the plan is sold on other terms now.
        """
        if now >= self.expires_at:
            return "expired"
        holds = (
            self.subscription_id == subscription.pk
            and self.revision == subscription.revision
            and self.from_price_id == subscription.price_id
            and self.to_price_id == target.pk
        )
        return None if holds else "changed"

    def target(self) -> Price:
        """What it was made for; on sale still or not."""
        return Price.objects.select_related("version__plan").get(pk=self.to_price_id)


def quote_make(
    *,
    subscription: Subscription,
    target: Price,
    proration_at: datetime,
    due_minor: int,
    now: datetime,
    promotion: PromotionState | None = None,
    trial_days: int | None = None,
) -> tuple[Quote, str]:
    """The quote and its signed form."""
    quote = Quote(
        id=uuid4(),
        account_id=subscription.account_id,
        subscription_id=subscription.pk,
        revision=subscription.revision,
        from_price_id=subscription.price_id,
        to_price_id=target.pk,
        proration_at=proration_at,
        due_minor=due_minor,
        currency=target.currency,
        expires_at=now + settings.QUOTE_TTL,
        promotion_id=promotion.id if promotion else "",
        promotion_code=promotion.code if promotion else "",
        trial_days=trial_days,
    )
    values = asdict(quote)
    for name in ("id", "subscription_id"):
        values[name] = values[name].hex
    for name in ("proration_at", "expires_at"):
        values[name] = int(values[name].timestamp())
    return quote, signing.dumps(values, salt=SALT, compress=True)


def quote_read(token: str, *, account_id: int) -> Quote:
    """The quote in a token of ours, expired or not. ValidationError for anything else, and for another account's."""
    try:
        values = signing.loads(token, salt=SALT)
    except signing.BadSignature as error:
        raise _no_quote() from error
    if values["account_id"] != account_id:
        raise _no_quote()
    for name in ("id", "subscription_id"):
        values[name] = UUID(hex=values[name])
    for name in ("proration_at", "expires_at"):
        values[name] = datetime.fromtimestamp(values[name], UTC)
    return Quote(**values)


def _no_quote() -> ValidationError:
    return ValidationError.of("quote", "invalid", _("This is no quote of yours. Ask for a new preview."))
