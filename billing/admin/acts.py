"""What staff can do about a subscription and its money, each by the service that customers' own requests use."""

from typing import Any

from django import forms

from accounts.admin.story import Act, Errand, ReasonForm, register
from accounts.models import Account, User
from billing.models import PaymentAttempt
from billing.selectors import live_subscription, scheduled_change
from billing.services.deliveries import deliveries_find, deliveries_replay
from billing.services.endings import plan_change_undo, subscription_cancel
from billing.services.refunds import invoice_refund
from common.errors import ValidationError
from common.formats import money_text


def _staff(errand: Errand) -> User:
    assert isinstance(errand.staff, User)
    return errand.staff


def undo(errand: Errand) -> str:
    plan_change_undo(
        account=errand.account, user=_staff(errand), request_id=errand.request_id, now=errand.now
    )
    return "The scheduled change is taken back."


class CancelForm(ReasonForm):
    at = forms.ChoiceField(
        label="When",
        choices=[("period_end", "At the end of what is paid"), ("now", "Now; nothing is given back")],
    )


def cancel(errand: Errand) -> str:
    subscription_cancel(
        account=errand.account,
        user=_staff(errand),
        at=errand.values["at"],
        idempotency_key=f"support:{errand.once}",
        request_id=errand.request_id,
        reason=errand.reason,
        now=errand.now,
    )
    return "The subscription is cancelled." if errand.values["at"] == "now" else "The subscription will end."


class RefundForm(ReasonForm):
    invoice = forms.ChoiceField(label="Paid invoice")
    amount_minor = forms.IntegerField(
        label="Amount in minor units",
        min_value=1,
        required=False,
        help_text="1250 is 12.50. Empty: all that is left of it.",
    )

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, account=account, **kwargs)
        paid = PaymentAttempt.objects.filter(account=account, outcome="succeeded").exclude(
            stripe_invoice_id=""
        )
        choices = self.fields["invoice"]
        assert isinstance(choices, forms.ChoiceField)
        choices.choices = [
            (
                one.stripe_invoice_id,
                f"{one.attempted_at:%Y-%m-%d} {money_text(one.amount_minor, one.currency)}",
            )
            for one in paid.order_by("-attempted_at")[:24]
        ]


def refund(errand: Errand) -> str:
    done = invoice_refund(
        account=errand.account,
        invoice_id=errand.values["invoice"],
        amount_minor=errand.values["amount_minor"],
        reason=errand.reason,
        actor=_staff(errand),
        idempotency_key=f"support:{errand.once}",
        request_id=errand.request_id,
        now=errand.now,
    )
    return f"{money_text(done.amount_minor, done.currency)}: {done.get_status_display()}."


class EventForm(ReasonForm):
    event = forms.RegexField(r"^evt_[A-Za-z0-9_]{1,140}$", label="Event's id at Stripe", max_length=150)


def replay(errand: Errand) -> str:
    found = list(deliveries_find(ids=[errand.values["event"]]))
    if not found:
        raise ValidationError.of("event", "unknown", "No such event is kept.")
    started = deliveries_replay(promise_ids=[pk for _, _, pk in found], now=errand.now)
    return "The event is applied again." if started else "The event is being applied at this moment."


def _has_paid(account: Account) -> bool:
    return (
        PaymentAttempt.objects.filter(account=account, outcome="succeeded")
        .exclude(stripe_invoice_id="")
        .exists()
    )


def _is_paid_for(account: Account) -> bool:
    live = live_subscription(account.pk)
    return live is not None and live.stripe_subscription_id is not None


register(
    Act(
        "undo-change",
        "Take the scheduled change back",
        "accounts.undo_change",
        undo,
        says="What is scheduled does not happen; the subscription goes on as it is. Nothing is charged.",
        offered=lambda account: scheduled_change(account.pk) is not None,
    ),
    Act(
        "cancel",
        "Cancel the subscription",
        "accounts.cancel_subscription",
        cancel,
        says="The paid subscription ends, at Stripe too. The customer is told, and can take an end that is to come back.",
        form=CancelForm,
        offered=_is_paid_for,
    ),
    Act(
        "refund",
        "Refund an invoice",
        "accounts.refund_invoice",
        refund,
        says="Money goes back to the card, with a credit note. The subscription stays as it is.",
        form=RefundForm,
        offered=_has_paid,
    ),
    Act(
        "replay",
        "Apply an event from Stripe again",
        "accounts.replay_events",
        replay,
        says="The object that the event is about is read from Stripe as it is now. Doing it twice does no harm.",
        form=EventForm,
    ),
)
