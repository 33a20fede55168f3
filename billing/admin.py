"""What support reads of payments. Nothing can be changed here: Stripe says what was paid."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from billing.models import InvoicePayment, PaymentAttempt, UnpaidInvoice


class ReadOnly(admin.ModelAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False


@admin.register(PaymentAttempt)
class PaymentAttemptAdmin(ReadOnly):
    list_display = (
        "attempted_at",
        "account",
        "amount_minor",
        "currency",
        "card_brand",
        "card_last4",
        "outcome",
        "reason_code",
        "request_id",
    )
    list_filter = ("outcome", "currency")
    list_select_related = ("account",)
    search_fields = (
        "=stripe_id",
        "=stripe_intent_id",
        "=stripe_invoice_id",
        "=request_id",
        "account__billing_email",
    )
    ordering = ("-attempted_at",)


@admin.register(InvoicePayment)
class InvoicePaymentAdmin(ReadOnly):
    list_display = (
        "requested_at",
        "account",
        "amount_minor",
        "currency",
        "status",
        "error_code",
        "request_id",
    )
    list_filter = ("status",)
    list_select_related = ("account",)
    search_fields = ("=stripe_invoice_id", "=request_id", "account__billing_email")
    ordering = ("-requested_at",)


@admin.register(UnpaidInvoice)
class UnpaidInvoiceAdmin(ReadOnly):
    list_display = (
        "owed_since",
        "subscription",
        "number",
        "amount_minor",
        "currency",
        "attempts",
        "next_attempt_at",
    )
    list_select_related = ("subscription__account",)
    search_fields = ("=stripe_invoice_id", "subscription__account__billing_email")
    ordering = ("owed_since",)
