"""Stripe's published test cards and what becomes of them."""

from dataclasses import dataclass

MESSAGES = {
    "generic_decline": "Your card was declined.",
    "insufficient_funds": "Your card has insufficient funds.",
    "lost_card": "Your card was declined.",
    "stolen_card": "Your card was declined.",
    "fraudulent": "Your card was declined.",
    "card_velocity_exceeded": "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
    "test_mode_live_card": "Your card was declined. Your request was in test mode, but used a non test (live) card.",
}
# Where Stripe's error code is not card_declined, it equals the reason.
OWN_CODES = {"expired_card", "incorrect_cvc", "processing_error"}


@dataclass(frozen=True)
class Card:
    number: str
    brand: str = "visa"
    funding: str = "credit"
    country: str = "US"
    decline: str | None = None  # the reason every charge is refused for
    attaches: bool = (
        True  # a card that declines cannot be attached to a customer, except where Stripe says so
    )
    dispute: str | None = None  # the reason the payer disputes every charge for
    authentication: str = "never"  # "always", or "setup": until it was once authenticated for later use

    @property
    def last4(self) -> str:
        return self.number[-4:]


def _declining(number: str, reason: str) -> Card:
    return Card(number, decline=reason, attaches=False)


CARDS: dict[str, Card] = {
    "visa": Card("4242424242424242"),
    "visa_debit": Card("4000056655665556", funding="debit"),
    "mastercard": Card("5555555555554444", "mastercard"),
    "mastercard_debit": Card("5200828282828210", "mastercard", "debit"),
    "mastercard_prepaid": Card("5105105105105100", "mastercard", "prepaid"),
    "amex": Card("378282246310005", "amex"),
    "discover": Card("6011111111111117", "discover"),
    "diners": Card("3056930009020004", "diners"),
    "jcb": Card("3566002020360505", "jcb"),
    "unionpay": Card("6200000000000005", "unionpay"),
    "fr": Card("4000002500000003", country="FR"),
    "de": Card("4000002760000016", country="DE"),
    "gb": Card("4000008260000000", country="GB"),
    "visa_chargeDeclined": _declining("4000000000000002", "generic_decline"),
    "visa_chargeDeclinedInsufficientFunds": _declining("4000000000009995", "insufficient_funds"),
    "visa_chargeDeclinedLostCard": _declining("4000000000009987", "lost_card"),
    "visa_chargeDeclinedStolenCard": _declining("4000000000009979", "stolen_card"),
    "visa_chargeDeclinedVelocityLimitExceeded": _declining("4000000000006975", "card_velocity_exceeded"),
    "chargeDeclinedExpiredCard": _declining("4000000000000069", "expired_card"),
    "chargeDeclinedIncorrectCvc": _declining("4000000000000127", "incorrect_cvc"),
    "chargeDeclinedProcessingError": _declining("4000000000000119", "processing_error"),
    "chargeDeclinedFraudulent": _declining("4100000000000019", "fraudulent"),
    "chargeCustomerFail": Card("4000000000000341", decline="generic_decline"),
    "authenticationRequired": Card("4000002760003184", authentication="always"),
    "authenticationRequiredOnSetup": Card("4000002500003155", authentication="setup"),
    "authenticationRequiredSetupForOffSession": Card("4000003800000446", authentication="setup"),
    "authenticationRequiredChargeDeclinedInsufficientFunds": Card(
        "4000008260003178", decline="insufficient_funds", authentication="always"
    ),
    "threeDSecure2Required": Card("4000000000003220", authentication="always"),
    "threeDSecureRequired": Card("4000000000003063", authentication="always"),
    "threeDSecureRequiredChargeDeclined": Card(
        "4000008400001629", decline="generic_decline", authentication="always"
    ),
    "threeDSecureOptional": Card("4000000000003055"),
    "createDispute": Card("4000000000000259", dispute="fraudulent"),
    "createDisputeProductNotReceived": Card("4000000000002685", dispute="product_not_received"),
}
ALIASES = {
    "chargeDeclined": "visa_chargeDeclined",
    "chargeDeclinedInsufficientFunds": "visa_chargeDeclinedInsufficientFunds",
    "chargeDeclinedLostCard": "visa_chargeDeclinedLostCard",
    "chargeDeclinedStolenCard": "visa_chargeDeclinedStolenCard",
    "us": "visa",
}
BY_NUMBER = {card.number: name for name, card in CARDS.items()}


def name_of(token: str, prefix: str) -> str | None:
    """The card that `pm_card_visa` or `tok_visa` stands for."""
    if not token.startswith(prefix):
        return None
    name = token.removeprefix(prefix)
    name = ALIASES.get(name, name)
    return name if name in CARDS else None


def code_of(reason: str) -> str:
    return reason if reason in OWN_CODES else "card_declined"
