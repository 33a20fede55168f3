"""Adding the card that plans are paid with: the ways to. In the sandbox it may be chosen from Stripe's test cards."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from accounts.models import Account
from accounts.selectors import account_of
from billing.errors import PaymentActionRequired, PaymentFailed
from billing.pages.access import signed_in
from billing.pages.forms import new_key, safe_next
from billing.pages.previews import card_text
from billing.pages.problems import card_problem_of
from billing.services import payment_method_add, payment_method_make_default, payment_methods_list
from common.errors import NotFound, ValidationError
from common.ratelimit import ratelimited


@dataclass(frozen=True)
class TestCard:
    """One of Stripe's published test cards."""

    id: str
    name: str
    about: str | Promise


TEST_CARDS = (
    TestCard("pm_card_visa", "Visa 4242", gettext_lazy("Payments go through.")),
    TestCard("pm_card_mastercard", "Mastercard 4444", gettext_lazy("Payments go through.")),
    TestCard(
        "pm_card_chargeCustomerFail",
        "Visa 0341",
        gettext_lazy("Can be added, then every payment is refused."),
    ),
    TestCard(
        "pm_card_authenticationRequired",
        "Visa 3184",
        gettext_lazy("The bank wants each payment confirmed."),
    ),
    TestCard("pm_card_chargeDeclined", "Visa 0002", gettext_lazy("Refused when it is added.")),
)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@ratelimited("global", "user")
def card(request: HttpRequest) -> HttpResponse:
    account = account_of(request)
    if request.method == "POST":
        return _add(request, account)
    return _show(request, account)


def _show(request: HttpRequest, account: Account, *, status: int = 200, **extra: Any) -> HttpResponse:
    methods, default = payment_methods_list(account=account)
    current = next((method for method in methods if method.id == default), None)
    context = {
        "card": card_text(current) if current else "",
        "test_cards": TEST_CARDS,
        "form_key": new_key(),
        "back": safe_next(request, reverse("payment_methods")),
        "crumbs": [
            (_("Billing"), reverse("account_billing")),
            (_("Payment methods"), reverse("payment_methods")),
            (_("Add a card"), ""),
        ],
        **extra,
    }
    return render(request, "pages/card.html", context, status=status)


def _add(request: HttpRequest, account: Account) -> HttpResponse:
    """The new card is the one that is charged from now on."""
    chosen = request.POST.get("payment_method", "")
    if not settings.SANDBOX or chosen not in {option.id for option in TEST_CARDS}:
        raise NotFound
    try:
        method = payment_method_add(account=account, payment_method_id=chosen)
        payment_method_make_default(account=account, payment_method_id=method.id)
    except (PaymentFailed, PaymentActionRequired) as error:
        return _show(request, account, status=error.status, problem=card_problem_of(error))
    except ValidationError as error:
        messages.error(request, error.details["fields"][0]["message"])
        return redirect(request.get_full_path())
    messages.success(
        request, _("%(card)s was added and will be charged from now on.") % {"card": card_text(method)}
    )
    return redirect(safe_next(request, reverse("payment_methods")))
