"""The shapes of billing's requests and answers: requests are validated by them, answers documented."""

from typing import Any

from rest_framework import serializers

from billing.enums import (
    Access,
    Audience,
    CardRefundStatus,
    ChangeKind,
    ChangeStatus,
    CreditNoteStatus,
    Interval,
    InvoiceStatus,
    SubscriptionStatus,
    WithdrawalStatus,
)
from common.api import ApiSerializer, StrictCharField

PLAN_MAX, QUOTE_MAX, STRIPE_ID_MAX, KEEP_MAX, CODE_MAX = 40, 2000, 255, 1000, 80


class MoneyShape(serializers.Serializer[Any]):
    amount_minor = serializers.IntegerField()
    currency = serializers.CharField()


# Requests -----------------------------------------------------------------------------------------------------------


class PlanChangePreviewRequest(ApiSerializer):
    target_plan = StrictCharField(max_length=PLAN_MAX)
    interval = serializers.ChoiceField(choices=Interval.choices, required=False, allow_null=True)
    promotion_code = StrictCharField(
        max_length=CODE_MAX,
        required=False,
        allow_null=True,
        help_text="A code as somebody was given it, in any spelling of its letters. For what is paid now.",
    )


class PlanChangeRequest(PlanChangePreviewRequest):
    quote = StrictCharField(max_length=QUOTE_MAX, required=False, allow_null=True)
    keep = serializers.ListField(
        child=StrictCharField(max_length=64),
        max_length=KEEP_MAX,
        required=False,
        help_text="Ids of stored things that stay in use when the new plan allows fewer; the oldest others fill the rest. What finds no room is archived, and comes back with a larger plan.",
    )


class SubscriptionRequest(ApiSerializer):
    plan = StrictCharField(max_length=PLAN_MAX)
    interval = serializers.ChoiceField(choices=Interval.choices, required=False, allow_null=True)
    payment_method = StrictCharField(max_length=STRIPE_ID_MAX, required=False, allow_null=True)
    promotion_code = StrictCharField(max_length=CODE_MAX, required=False, allow_null=True)


class CancelRequest(ApiSerializer):
    at = serializers.ChoiceField(choices=["period_end", "now"], default="period_end")
    keep = serializers.ListField(
        child=StrictCharField(max_length=64),
        max_length=KEEP_MAX,
        required=False,
        help_text="Ids of stored things that stay in use on the free plan.",
    )
    reason = StrictCharField(
        max_length=500, required=False, allow_blank=True, help_text="Why, if you want to say."
    )


class InvoicesQuery(ApiSerializer):
    status = serializers.ChoiceField(choices=InvoiceStatus.choices, required=False)
    year = serializers.IntegerField(
        min_value=2000, max_value=2999, required=False, help_text="Of its making, UTC."
    )


class EmptyRequest(ApiSerializer):
    """No body, or an empty object."""


class PaymentMethodRequest(ApiSerializer):
    payment_method = StrictCharField(max_length=STRIPE_ID_MAX)


class InvoicePayRequest(ApiSerializer):
    payment_method = StrictCharField(
        max_length=STRIPE_ID_MAX,
        required=False,
        allow_null=True,
        help_text="The card to pay it with; the one on file when none is named.",
    )


# Answers ------------------------------------------------------------------------------------------------------------


class PriceShape(serializers.Serializer[Any]):
    interval = serializers.ChoiceField(choices=Interval.choices)
    amount_minor = serializers.IntegerField()
    currency = serializers.CharField()


class LimitShape(serializers.Serializer[Any]):
    metric = serializers.CharField()
    window = serializers.CharField()
    limit = serializers.IntegerField(allow_null=True)
    mode = serializers.CharField()


class PlanShape(serializers.Serializer[Any]):
    code = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    rank = serializers.IntegerField()
    audience = serializers.ChoiceField(choices=Audience.choices)
    version = serializers.IntegerField()
    prices = PriceShape(many=True)
    limits = LimitShape(many=True)
    features = serializers.ListField(child=serializers.CharField())
    credits_per_period = serializers.IntegerField()
    overage_minor_per_credit = serializers.IntegerField(allow_null=True)


class SubscriptionPlanShape(serializers.Serializer[Any]):
    code = serializers.CharField()
    name = serializers.CharField()
    version = serializers.IntegerField()


class PendingChangeShape(serializers.Serializer[Any]):
    id = serializers.UUIDField(allow_null=True)
    target_plan = serializers.CharField(allow_null=True)
    interval = serializers.CharField(allow_null=True)
    effective_at = serializers.DateTimeField()


class SubscriptionShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    plan = SubscriptionPlanShape()
    interval = serializers.ChoiceField(choices=Interval.choices)
    status = serializers.ChoiceField(choices=SubscriptionStatus.choices)
    access = serializers.ChoiceField(choices=Access.choices)
    current_period_start = serializers.DateTimeField()
    current_period_end = serializers.DateTimeField(allow_null=True)
    trial_end = serializers.DateTimeField(allow_null=True)
    cancel_at = serializers.DateTimeField(allow_null=True)
    pending_change = PendingChangeShape(allow_null=True)


class PaymentShape(serializers.Serializer[Any]):
    """What lets a payer confirm: with Stripe's script (`client_secret`, `publishable_key`), or on one of the pages."""

    plan_change = serializers.UUIDField()
    status = serializers.CharField(help_text="As Stripe says: requires_payment_method, requires_action, …")
    client_secret = serializers.CharField(allow_null=True)
    publishable_key = serializers.CharField()
    confirm_url = serializers.CharField()
    hosted_url = serializers.CharField(allow_null=True)
    amount = MoneyShape(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)


class StartedSubscriptionShape(SubscriptionShape):
    id = serializers.UUIDField(allow_null=True, help_text="Null until the first payment is confirmed.")
    payment = PaymentShape(
        required=False,
        help_text="There when the payer must act; the subscription is `incomplete` until then.",
    )


class PlanChangeShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    from_plan = serializers.CharField(allow_null=True)
    from_interval = serializers.CharField(allow_null=True)
    to_plan = serializers.CharField(allow_null=True)
    to_interval = serializers.CharField(allow_null=True)
    kind = serializers.ChoiceField(choices=ChangeKind.choices, allow_null=True)
    status = serializers.ChoiceField(choices=ChangeStatus.choices)
    requested_at = serializers.DateTimeField()
    effective_at = serializers.DateTimeField(allow_null=True)
    amount = MoneyShape(allow_null=True)
    invoice = serializers.CharField(allow_null=True)
    error_code = serializers.CharField(allow_null=True)
    request_id = serializers.CharField(allow_null=True)


class PlanChangeAnswer(serializers.Serializer[Any]):
    plan_change = PlanChangeShape()
    subscription = SubscriptionShape(allow_null=True)
    quota = serializers.DictField(allow_null=True, help_text="As GET /v1/billing/quota answers now.")


class NextInvoiceShape(serializers.Serializer[Any]):
    amount = MoneyShape()
    at = serializers.DateTimeField()


class PreviewLineShape(serializers.Serializer[Any]):
    description = serializers.CharField()
    amount_minor = serializers.IntegerField()
    period_start = serializers.DateTimeField(allow_null=True)
    period_end = serializers.DateTimeField(allow_null=True)


class QuotaChangeShape(serializers.Serializer[Any]):
    metric = serializers.CharField()
    window = serializers.CharField()
    from_limit = serializers.IntegerField(allow_null=True)
    to_limit = serializers.IntegerField(allow_null=True)
    used = serializers.IntegerField()


class StoredThingShape(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()


class ExceedingShape(serializers.Serializer[Any]):
    metric = serializers.CharField()
    limit = serializers.IntegerField()
    stored = serializers.IntegerField()
    excess = serializers.IntegerField()
    items = StoredThingShape(many=True, help_text="Archived at the switch when nothing else is chosen.")
    kept = StoredThingShape(many=True, help_text="Stay in use when nothing else is chosen.")


class PreviewShape(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=[ChangeKind.UPGRADE.value, ChangeKind.DOWNGRADE.value])
    target_plan = serializers.CharField()
    interval = serializers.ChoiceField(choices=Interval.choices)
    effective_at = serializers.DateTimeField()
    due_now = MoneyShape()
    next_invoice = NextInvoiceShape(allow_null=True)
    lines = PreviewLineShape(many=True)
    discount = MoneyShape(allow_null=True, help_text="What a code or coupon takes off the lines.")
    promotion_code = serializers.CharField(allow_null=True)
    trial_end = serializers.DateTimeField(allow_null=True)
    unpaid = MoneyShape(
        allow_null=True,
        help_text="Owed already. It stays due and may still be charged; what is unpaid when the subscription ends is void.",
    )
    quota_changes = QuotaChangeShape(many=True)
    exceeding = ExceedingShape(many=True)
    credits_granted = serializers.IntegerField()
    quote = serializers.CharField()
    quote_expires_at = serializers.DateTimeField()


class PaymentMethodShape(serializers.Serializer[Any]):
    id = serializers.CharField()
    type = serializers.CharField()
    brand = serializers.CharField(allow_null=True)
    last4 = serializers.CharField(allow_null=True)
    exp_month = serializers.IntegerField(allow_null=True)
    exp_year = serializers.IntegerField(allow_null=True)
    is_default = serializers.BooleanField()


class CardSetupShape(serializers.Serializer[Any]):
    id = serializers.CharField()
    status = serializers.CharField(help_text="As Stripe says: requires_payment_method, requires_action, …")
    client_secret = serializers.CharField(
        help_text="With the publishable key it lets a browser save one card."
    )
    publishable_key = serializers.CharField()


class InvoiceLineShape(serializers.Serializer[Any]):
    description = serializers.CharField()
    amount_minor = serializers.IntegerField()
    period_start = serializers.DateTimeField(allow_null=True)
    period_end = serializers.DateTimeField(allow_null=True)


class InvoiceShape(serializers.Serializer[Any]):
    id = serializers.CharField()
    number = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=InvoiceStatus.choices)
    total = MoneyShape()
    amount_due = MoneyShape()
    amount_paid = MoneyShape()
    lines = InvoiceLineShape(many=True)
    subtotal = MoneyShape(help_text="Before discounts and tax.")
    tax = MoneyShape()
    credited = MoneyShape(help_text="What credit notes have given back or waived since.")
    created_at = serializers.DateTimeField()
    issued_at = serializers.DateTimeField(allow_null=True)
    paid_at = serializers.DateTimeField(allow_null=True)


class CreditNoteShape(serializers.Serializer[Any]):
    id = serializers.CharField()
    number = serializers.CharField()
    status = serializers.ChoiceField(choices=CreditNoteStatus.choices)
    total = MoneyShape()
    refunded = MoneyShape(help_text="Sent back to the card.")
    to_balance = MoneyShape(help_text="Kept as credit for the next invoices.")
    created_at = serializers.DateTimeField()


class RefundShape(serializers.Serializer[Any]):
    id = serializers.CharField()
    status = serializers.ChoiceField(choices=CardRefundStatus.choices)
    amount = MoneyShape()
    created_at = serializers.DateTimeField()


class InvoiceDetailShape(InvoiceShape):
    refunded = MoneyShape()
    credit_notes = CreditNoteShape(many=True)
    refunds = RefundShape(many=True)


class WithdrawalOfferShape(serializers.Serializer[Any]):
    plan = serializers.CharField()
    subscribed_at = serializers.DateTimeField()
    deadline = serializers.DateTimeField(help_text="The end of the fourteenth day; exclusive.")
    paid = MoneyShape()
    refund = MoneyShape(help_text="For the time not used, if you withdrew now.")


class WithdrawalShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    plan = serializers.CharField()
    status = serializers.ChoiceField(
        choices=WithdrawalStatus.choices, help_text="pending: declared, and being carried out."
    )
    subscribed_at = serializers.DateTimeField()
    withdrawn_at = serializers.DateTimeField()
    paid = MoneyShape()
    refund = MoneyShape()


class WithdrawalAnswer(serializers.Serializer[Any]):
    withdrawal = WithdrawalShape()
    subscription = SubscriptionShape(allow_null=True)
