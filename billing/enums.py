"""The words of billing. Values that Stripe has too are spelt as Stripe spells them."""

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class Audience(models.TextChoices):
    """Who a plan is for; nobody moves from one audience's plans to the other's."""

    CONSUMER = "consumer", _("people")
    BUSINESS = "business", _("organisations")


class Interval(models.TextChoices):
    MONTH = "month", _("month")
    YEAR = "year", _("year")


class TransitionKind(models.TextChoices):
    """What moving from one plan to another is, as the catalogue declares it."""

    UPGRADE = "upgrade", _("upgrade: at once")
    DOWNGRADE = "downgrade", _("downgrade: at the period's end")
    FORBIDDEN = "forbidden", _("not possible")


class ChangeKind(models.TextChoices):
    """`start`: from no subscription. `cancel`: to what holds without one, at once. `move`: to another version of the
    same plan, by whoever runs the site; nothing is charged at the move itself.
    """

    START = "start", _("start")
    UPGRADE = "upgrade", _("upgrade")
    DOWNGRADE = "downgrade", _("downgrade")
    CANCEL = "cancel", _("cancellation")
    MOVE = "move", _("new terms")


class ChangeStatus(models.TextChoices):
    """pending → applied | scheduled | failed; scheduled → applied | undone; failed → applied when Stripe shows so."""

    PENDING = "pending", _("in progress")
    SCHEDULED = "scheduled", _("scheduled")
    APPLIED = "applied", _("done")
    UNDONE = "undone", _("taken back")
    FAILED = "failed", _("failed")


IN_FLIGHT = (ChangeStatus.PENDING, ChangeStatus.SCHEDULED)


class SubscriptionStatus(models.TextChoices):
    TRIALING = "trialing", _("trial")
    ACTIVE = "active", _("active")
    PAST_DUE = "past_due", _("payment overdue")
    UNPAID = "unpaid", _("unpaid")
    CANCELED = "canceled", _("ended")
    INCOMPLETE = "incomplete", _("waiting for the first payment")
    INCOMPLETE_EXPIRED = "incomplete_expired", _("never paid")
    PAUSED = "paused", _("paused")


ENDED = (SubscriptionStatus.CANCELED, SubscriptionStatus.INCOMPLETE_EXPIRED)


class EndCause(models.TextChoices):
    """Why a subscription ended that nobody asked here to end. `elsewhere`: it was ended at Stripe."""

    TRIAL = "trial", _("no card was on file at its trial’s end")
    UNPAID = "unpaid", _("it was not paid")
    ELSEWHERE = "elsewhere", _("ended by the payment service")


class Access(models.TextChoices):
    """What a subscriber may use. `grace`: all of it, with a warning; `degraded`: as without a paid plan."""

    FULL = "full", _("full")
    GRACE = "grace", _("full, payment overdue")
    DEGRADED = "degraded", _("reduced")
    ENDED = "ended", _("none")


class PaymentStatus(models.TextChoices):
    """pending → paid | failed | action_required; the last becomes paid once the payer has confirmed."""

    PENDING = "pending", _("in progress")
    PAID = "paid", _("paid")
    FAILED = "failed", _("refused")
    ACTION_REQUIRED = "action_required", _("waiting for confirmation")


class AttemptOutcome(models.TextChoices):
    SUCCEEDED = "succeeded", _("paid")
    PENDING = "pending", _("in progress")
    ACTION_REQUIRED = "action_required", _("waiting for confirmation")
    FAILED = "failed", _("refused")


class RefundKind(models.TextChoices):
    """Why money goes back: a consumer withdrew, or support decided so."""

    WITHDRAWAL = "withdrawal", _("withdrawal")
    SUPPORT = "support", _("support")


class RefundStatus(models.TextChoices):
    """pending → done | failed. Failed: the payment provider certainly did not do it."""

    PENDING = "pending", _("on its way")
    DONE = "done", _("refunded")
    FAILED = "failed", _("not possible")


class InvoiceStatus(models.TextChoices):
    """As Stripe has it, in the words of whoever pays."""

    DRAFT = "draft", pgettext_lazy("invoice", "draft")
    OPEN = "open", pgettext_lazy("invoice", "to be paid")
    PAID = "paid", pgettext_lazy("invoice", "paid")
    VOID = "void", pgettext_lazy("invoice", "void")
    UNCOLLECTIBLE = "uncollectible", pgettext_lazy("invoice", "not collected")


class CreditNoteStatus(models.TextChoices):
    ISSUED = "issued", _("issued")
    VOID = "void", _("void")


class CardRefundStatus(models.TextChoices):
    """A refund's way to the card, as Stripe has it."""

    PENDING = "pending", _("on its way")
    REQUIRES_ACTION = "requires_action", _("waiting for you")
    SUCCEEDED = "succeeded", _("refunded")
    FAILED = "failed", _("not possible")
    CANCELED = "canceled", _("taken back")


class WithdrawalStatus(models.TextChoices):
    """`pending`: declared, and being carried out."""

    PENDING = "pending", _("being carried out")
    DONE = "done", _("done")


class ChargeStatus(models.TextChoices):
    """pending → accepted | failed; accepted → reversed. Pending: what Stripe did is not known yet."""

    PENDING = "pending", _("being charged")
    ACCEPTED = "accepted", _("charged")
    FAILED = "failed", _("not charged")
    REVERSED = "reversed", _("taken back")


class CollectionStatus(models.TextChoices):
    """An invoice before its time. `unpaid`: made, but the card was refused."""

    PENDING = "pending", _("being collected")
    PAID = "paid", _("paid")
    UNPAID = "unpaid", _("unpaid")
    NOT_NEEDED = "not_needed", _("not needed")


class ReminderKind(models.TextChoices):
    """What Stripe is asked about before somebody is reminded."""

    RENEWAL = "renewal", _("a renewal")
    TRIAL = "trial", _("the end of a trial")
    CARD = "card", _("a card's last month")
