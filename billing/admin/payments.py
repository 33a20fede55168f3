"""What staff read of plans and payments. Nothing can be changed here: Stripe says what was paid."""

from django.contrib import admin

from billing.models import (
    Dispute,
    Drift,
    InvoicePayment,
    OverageCharge,
    PaymentAttempt,
    PlanChange,
    Refund,
    Subscription,
    UnpaidInvoice,
    Withdrawal,
)
from common.admin.base import ReadOnly


@admin.register(PaymentAttempt)
class PaymentAttemptAdmin(ReadOnly):
    list_display = (
        "attempted_at",
        "account_id",
        "amount_minor",
        "currency",
        "card_brand",
        "card_last4",
        "outcome",
        "reason_code",
        "request_id",
    )
    list_filter = ("outcome", "currency")
    search_fields = (
        "=stripe_id",
        "=stripe_intent_id",
        "=stripe_invoice_id",
        "=request_id",
        "=account_id",
    )
    ordering = ("-attempted_at",)


@admin.register(InvoicePayment)
class InvoicePaymentAdmin(ReadOnly):
    list_display = (
        "requested_at",
        "account_id",
        "amount_minor",
        "currency",
        "status",
        "error_code",
        "request_id",
    )
    list_filter = ("status",)
    search_fields = ("=stripe_invoice_id", "=account_id")
    ordering = ("-requested_at",)


@admin.register(UnpaidInvoice)
class UnpaidInvoiceAdmin(ReadOnly):
    list_display = (
        "owed_since",
        "subscription_id",
        "number",
        "amount_minor",
        "currency",
        "attempts",
        "next_attempt_at",
    )
    search_fields = ("=stripe_invoice_id", "=subscription__account_id")
    ordering = ("owed_since",)


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnly):
    list_display = (
        "id",
        "account_id",
        "plan",
        "status",
        "access",
        "current_period_end",
        "started_at",
        "ended_at",
    )
    list_filter = ("status", "access")
    list_select_related = ("plan_version__plan", "price")
    search_fields = ("=stripe_subscription_id", "=account_id")
    search_help_text = "A Stripe id, or an account's number"
    ordering = ("-started_at",)


@admin.register(PlanChange)
class PlanChangeAdmin(ReadOnly):
    list_display = (
        "requested_at",
        "account_id",
        "kind",
        "status",
        "effective_at",
        "error_code",
        "request_id",
    )
    list_filter = ("status", "kind")
    search_fields = (
        "=request_id",
        "=stripe_invoice_id",
        "=stripe_subscription_id",
        "=account_id",
    )
    search_help_text = "A request id, a Stripe id, or an account's number"
    ordering = ("-requested_at",)


@admin.register(Refund)
class RefundAdmin(ReadOnly):
    list_display = ("requested_at", "account_id", "kind", "status", "amount_minor", "currency", "reason")
    list_filter = ("status", "kind")
    search_fields = (
        "=stripe_invoice_id",
        "=stripe_credit_note_id",
        "=account_id",
    )
    ordering = ("-requested_at",)


@admin.register(Dispute)
class DisputeAdmin(ReadOnly):
    list_display = ("opened_at", "account_id", "amount_minor", "currency", "reason", "status", "answer_by")
    list_filter = ("status", "reason")
    search_fields = ("=stripe_id", "=stripe_charge_id", "=stripe_invoice_id", "=account__id")
    ordering = ("-opened_at",)


@admin.register(Withdrawal)
class WithdrawalAdmin(ReadOnly):
    list_display = ("requested_at", "account_id", "paid_minor", "refund_minor", "currency", "completed_at")
    search_fields = ("=id", "=account_id")
    ordering = ("-requested_at",)


@admin.register(OverageCharge)
class OverageChargeAdmin(ReadOnly):
    list_display = (
        "requested_at",
        "account_id",
        "metric",
        "units",
        "amount_minor",
        "currency",
        "status",
        "reversed_at",
    )
    list_filter = ("status",)
    search_fields = ("=stripe_invoice_id", "=work_ref", "=account_id")
    ordering = ("-requested_at",)


@admin.register(Drift)
class DriftAdmin(ReadOnly):
    list_display = ("kind", "count", "checked_at")
