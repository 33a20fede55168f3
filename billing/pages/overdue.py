"""An overdue payment on every page of the account: what, how much, until when, and the button that cures it."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Account
from accounts.selectors import account_of, person_of
from billing.errors import PaymentActionRequired, PaymentFailed, PaymentProviderUnavailable
from billing.gateways.values import InvoiceState
from billing.pages.access import is_part, signed_in
from billing.pages.forms import key_of, new_key, safe_next
from billing.selectors import live_subscription
from billing.selectors.overdue import overdue_notice
from billing.services import invoice_get, invoice_is_waived, invoice_pay
from common import clock
from common.errors import NotFound, PermissionDenied, ValidationError
from common.formats import money_text
from common.ratelimit import ratelimited
from common.request_id import current_request_id


def banner_context(request: HttpRequest) -> dict[str, Any]:
    """What the banner needs; empty when nothing is owed, or for somebody without an account that pays."""
    if not request.user.is_authenticated:
        return {}
    try:
        account = account_of(request)
    except PermissionDenied:
        return {}
    now = clock.now()
    notice = overdue_notice(live_subscription(account.pk), now=now)
    if notice is None:
        return {}
    alone = is_part(request)
    here = reverse("account_overview") if alone else request.get_full_path()
    return {"notice": notice, "form_key": new_key(), "here": here}


@require_safe
@signed_in
@ratelimited("global", "user")
def banner(request: HttpRequest) -> HttpResponse:
    """The banner alone, which a page that is looked at asks for again; empty once all is paid. For who opens it, billing."""
    if not is_part(request):
        return redirect("account_billing")
    response = render(request, "components/overdue_banner.html", banner_context(request))
    response["Cache-Control"] = "no-store"
    return response


@require_POST
@signed_in
@ratelimited("global", "user", "plan_change")
def pay(request: HttpRequest, invoice_id: str) -> HttpResponse:
    """Pays one invoice with the card on file; where the bank asks, on to the page that confirms it."""
    back, account = safe_next(request, reverse("account_overview")), account_of(request)
    try:
        invoice = invoice_pay(
            account=account,
            user=person_of(request),
            invoice_id=invoice_id,
            idempotency_key=f"page-{key_of(request)}-{invoice_id}",
            request_id=current_request_id(),
            now=clock.now(),
        )
    except NotFound as error:
        raise Http404 from error
    except PaymentActionRequired as error:
        if error.details.get("confirm_url"):
            return redirect(error.details["confirm_url"])
        messages.error(request, str(error.message))
    except PaymentFailed as error:
        messages.error(request, str(error.message))
    except ValidationError as error:
        messages.warning(request, error.details["fields"][0]["message"])
    except PaymentProviderUnavailable as error:
        messages.warning(request, str(error.message))
    else:
        messages.success(request, _paid_text(account, invoice))
    return redirect(back)


@require_safe
@signed_in
@ratelimited("global", "user")
def confirm(request: HttpRequest, invoice_id: str) -> HttpResponse:
    """To the page of Stripe's on which the bank asks about an open invoice; its address holds for a while only."""
    invoice = invoice_get(account=account_of(request), invoice_id=invoice_id)
    if invoice.status == "open" and invoice.hosted_url and not invoice_is_waived(invoice):
        return redirect(invoice.hosted_url)
    messages.info(request, _("This invoice needs no confirmation any more."))
    return redirect("account_invoice", invoice_id=invoice_id)


def _paid_text(account: Account, invoice: InvoiceState) -> str:
    paid = {"amount": money_text(invoice.amount_due_minor, invoice.currency)}
    live = live_subscription(account.pk)
    if invoice.subscription_id is None:
        return _("Paid: %(amount)s.") % paid
    if live is not None and invoice.subscription_id == live.stripe_subscription_id:
        return _("Paid: %(amount)s. Your plan is whole again.") % paid
    return _("Paid: %(amount)s. It was for what you used on a plan that has ended.") % paid
