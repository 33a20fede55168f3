"""What is said of what is to come."""

from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.notifications import Action, Message, message
from accounts.notifications.messages import Context
from billing.notices.plans import names_of
from common.formats import date_text, is_french, money_text, month_text

REACHED = 100


@message("renewal_coming")
def renewal_coming(context: Context) -> Message:
    """`plan`, `amount_minor`, `currency`, `at`, `card` (brand and last4, or null), `interval`."""
    words = _charge_words(context)
    return Message(
        subject=_("%(plan)s renews on %(date)s") % words,
        lines=[
            _("%(amount)s will be charged then.") % words,
            _paid_with(context),
            _("If you do not want that, cancel before; you keep the plan until then."),
        ],
        action=Action(_("To your billing page"), reverse("account_billing")),
    )


@message("trial_ending")
def trial_ending(context: Context) -> Message:
    """As renewal_coming."""
    words = _charge_words(context)
    return Message(
        subject=_("Your trial of %(plan)s ends on %(date)s") % words,
        lines=[
            _("Then the plan goes on and %(amount)s will be charged. Cancel before, and you pay nothing.")
            % words,
            _paid_with(context),
        ],
        action=Action(_("To your billing page"), reverse("account_billing")),
    )


@message("trial_ending_without_card")
def trial_ending_without_card(context: Context) -> Message:
    """`plan` and `to` (names; null: no plan), `amount_minor`, `currency`, `interval`, `at`."""
    words = _charge_words(context)
    words["to"] = str((is_french() and context["to"]["fr"]) or context["to"]["en"]) if context["to"] else ""
    goes_on = (
        _("Add a card before if you want to keep it; from then on it costs %(amount)s a year.")
        if context["interval"] == "year"
        else _("Add a card before if you want to keep it; from then on it costs %(amount)s a month.")
    )
    return Message(
        subject=_("Your trial of %(plan)s ends on %(date)s") % words,
        lines=[
            _("No card is on file, so nothing is charged, and you go on with %(to)s.") % words
            if words["to"]
            else _("No card is on file, so nothing is charged and the plan ends then."),
            goes_on % words,
        ],
        action=Action(_("Add a card"), reverse("payment_card")),
    )


@message("card_expiring")
def card_expiring(context: Context) -> Message:
    """`plan`, `brand`, `last4`, `month`, `year`."""
    last = datetime(context["year"], context["month"], 1)  # noqa: DTZ001 - a month is printed on it, no moment
    words = {
        "plan": _plan(context),
        "brand": (context["brand"] or "").capitalize(),
        "last4": context["last4"] or "",
        "month": month_text(last),
    }
    return Message(
        subject=_("Your card %(brand)s %(last4)s expires at the end of %(month)s") % words,
        lines=[
            _("%(plan)s is paid with it. Put another card on file, so that no payment fails.") % words,
        ],
        action=Action(_("Use another card"), reverse("payment_card")),
    )


@message("plan_change_coming")
def plan_change_coming(context: Context) -> Message:
    """`from` and `to` (names and interval; null: no plan), `effective_at`."""
    words = names_of(context) | {"date": date_text(datetime.fromisoformat(context["effective_at"]))}
    if context["to"] is None:
        subject = _("Soon: %(from)s ends on %(date)s") % words
    else:
        subject = _("Soon: %(from)s until %(date)s, then %(to)s") % words
    return Message(
        subject=subject,
        lines=[
            _("It happens by itself. What has no room afterwards is put away, not deleted."),
            _("Until then you can take it back with one click."),
        ],
        action=Action(_("To your account"), reverse("account_overview")),
    )


@message("overage_began")
def overage_began(context: Context) -> Message:
    """`spent_minor`, `currency`."""
    words = {"spent": money_text(context["spent_minor"], context["currency"])}
    return Message(
        subject=_("Overage has begun"),
        lines=[
            _("What your plan and your credits include is used up. What you use now is charged besides."),
            _("So far in this period: %(spent)s. You can set a cap that overage never goes past.") % words,
        ],
        action=Action(_("To your billing page"), reverse("account_billing")),
    )


@message("overage_unpaid")
def overage_unpaid(context: Context) -> Message:
    """`amount_minor`, `currency`, `invoice` (its id)."""
    words = {"amount": money_text(context["amount_minor"], context["currency"])}
    return Message(
        subject=_("Your payment for overage failed"),
        lines=[
            _("%(amount)s for what you used past your credits could not be charged to your card.") % words,
            _("Until it is paid, what your credits do not cover is refused."),
        ],
        action=Action(
            _("Pay now, or use another card"),
            reverse("account_invoice", kwargs={"invoice_id": context["invoice"]}),
        ),
    )


@message("spend_cap_near")
def spend_cap_near(context: Context) -> Message:
    """`spent_minor`, `cap_minor`, `currency`, `share` in per cent."""
    words = {
        "spent": money_text(context["spent_minor"], context["currency"]),
        "cap": money_text(context["cap_minor"], context["currency"]),
        "share": context["share"],
    }
    reached = context["share"] >= REACHED
    follows = (
        _("Further use past your credits is refused until the period ends or you raise the cap.")
        if reached
        else _("At the cap, further use past your credits is refused.")
    )
    return Message(
        subject=_("Your overage cap is reached")
        if reached
        else _("%(share)s%% of your overage cap is used") % words,
        lines=[_("Overage costs %(spent)s so far in this period; your cap is %(cap)s.") % words, follows],
        action=Action(_("To your billing page"), reverse("account_billing")),
    )


def _charge_words(context: Context) -> dict[str, str]:
    return {
        "plan": _plan(context),
        "amount": money_text(context["amount_minor"], context["currency"]),
        "date": date_text(datetime.fromisoformat(context["at"])),
    }


def _plan(context: Context) -> str:
    return str((is_french() and context["plan"]["fr"]) or context["plan"]["en"])


def _paid_with(context: Context) -> str:
    if context["card"] is None:
        return _("There is no card on file: add one, so that the payment goes through.")
    return _("It is paid with %(card)s.") % {"card": _card_text(context["card"])}


def _card_text(card: Context) -> str:
    """Your card Visa 4242."""
    return _("your card %(brand)s %(last4)s") % {
        "brand": (card["brand"] or "").capitalize(),
        "last4": card["last4"] or "",
    }
