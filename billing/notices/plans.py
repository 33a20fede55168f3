"""What is said about plans and payments."""

from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.notifications import Action, Message, message
from accounts.notifications.messages import Context
from common.formats import date_text, is_french, money_text


@message("plan_change_applied")
def plan_change_applied(context: Context) -> Message:
    names = names_of(context)
    if context["to"] is None:
        subject, line = (
            _("Your subscription has ended"),
            _("%(from)s is over. What you stored is kept.") % names,
        )
    elif context["from"] is None:
        subject, line = _("You are on %(to)s") % names, _("%(to)s and its limits hold from now on.") % names
    else:
        subject = _("You are on %(to)s") % names
        line = _("The change from %(from)s to %(to)s is done. Its limits hold from now on.") % names
    return Message(subject=subject, lines=[line], facts=_charged(context), action=_account())


@message("plan_change_scheduled")
def plan_change_scheduled(context: Context) -> Message:
    names = names_of(context)
    until = {**names, "date": date_text(datetime.fromisoformat(context["effective_at"]))}
    if context["to"] is None:
        subject = _("%(from)s ends on %(date)s") % until
    else:
        subject = _("%(from)s until %(date)s, then %(to)s") % until
    lines = [_("Until then nothing changes. You can take it back with one click.")]
    return Message(subject=subject, lines=lines, action=_account())


@message("plan_change_undone")
def plan_change_undone(context: Context) -> Message:
    names = names_of(context)
    return Message(
        subject=_("You stay on %(from)s") % names,
        lines=[_("The change that was planned is taken back. Nothing was charged for it.")],
        action=_account(),
    )


@message("subscription_ended")
def subscription_ended(context: Context) -> Message:
    """`plan` and `to` (names; null: no plan), `reason`: trial, unpaid, or empty where it was ended elsewhere."""
    plan, to = _named(context["plan"]), _named(context["to"]) if context["to"] else ""
    words = {"plan": plan, "to": to}
    if context["reason"] == "trial":
        subject = _("Your trial of %(plan)s has ended") % words
        lines = [_("No card was on file, so nothing was charged.")]
    elif context["reason"] == "unpaid":
        subject = _("%(plan)s has ended, because it was not paid") % words
        lines = [_("Its open invoice is taken back: nothing is to be paid for it any more.")]
    else:
        subject, lines = _("%(plan)s has ended") % words, []
    lines.append(
        _("You go on with %(to)s. What you stored is kept.") % words if to else _("What you stored is kept.")
    )
    return Message(subject=subject, lines=lines, action=Action(_("See the plans"), reverse("plans")))


@message("payment_overdue")
def payment_overdue(context: Context) -> Message:
    """`confirm`: the invoice whose payment the bank wants confirmed; without one the payment was refused."""
    words = {
        "plan": (is_french() and context["plan"]["fr"]) or context["plan"]["en"],
        "amount": money_text(context["amount_minor"], context["currency"]),
        "date": date_text(datetime.fromisoformat(context["since"])),
    }
    access = _dated(
        context["full_until"],
        _(
            "You keep full access until %(date)s. After that you have the free limits; what you stored is kept."
        ),
        _("You have the free limits until it is paid; what you stored is kept."),
    )
    if invoice_id := context.get("confirm"):
        return _to_confirm(invoice_id, words, access)
    again = _dated(
        context["next_attempt_at"],
        _("We try again by ourselves on %(date)s."),
        _("We do not try again by ourselves."),
    )
    refused = _("The payment of %(amount)s for %(plan)s, due on %(date)s, did not go through.") % words
    if context["full_until"]:
        subject = _("Your payment for %(plan)s failed") % words
    else:
        subject = _("%(plan)s is not paid: you have the free limits now") % words
    return Message(
        subject=subject,
        lines=[refused, access, again],
        action=Action(_("Pay now, or use another card"), reverse("account_overview")),
    )


def _to_confirm(invoice_id: str, words: dict[str, Any], access: str) -> Message:
    """Nothing was refused; trying again would only make the bank ask again."""
    asked = (
        _("Your bank wants you to confirm the payment of %(amount)s for %(plan)s, due on %(date)s.") % words
    )
    return Message(
        subject=_("Confirm your payment for %(plan)s") % words,
        lines=[asked, _("Nothing was refused: confirming is all that is missing."), access],
        action=Action(
            _("Confirm the payment"), reverse("invoice_confirm", kwargs={"invoice_id": invoice_id})
        ),
    )


def _dated(moment: str | None, then: str, never: str) -> str:
    return then % {"date": date_text(datetime.fromisoformat(moment))} if moment else never


def _named(names: dict[str, str]) -> str:
    return (is_french() and names["fr"]) or names["en"]


def names_of(context: Context) -> dict[str, str]:
    """`from` and `to` in the active language, with the interval where only that tells the two apart."""
    same = context["from"] and context["to"] and context["from"]["en"] == context["to"]["en"]
    return {side: _name(context[side], with_interval=bool(same)) for side in ("from", "to")}


def _name(plan: dict[str, Any] | None, *, with_interval: bool) -> str:
    if plan is None:
        return ""
    name = (is_french() and plan["fr"]) or plan["en"]
    if not with_interval:
        return str(name)
    return f"{name} ({_('yearly') if plan['interval'] == 'year' else _('monthly')})"


def _charged(context: Context) -> list[tuple[str, str]]:
    if not context["charged_minor"]:
        return []
    return [(_("Charged"), money_text(context["charged_minor"], context["currency"]))]


def _account() -> Action:
    return Action(_("To your account"), reverse("account_overview"))
