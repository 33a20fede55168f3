"""What the meter keeps, to be read. Usage records are not listed: their table has no end; the usage page sums them."""

from django.contrib import admin

from common.admin.base import ReadOnly
from quotas.models import Bucket, Entitlement, Grant, LedgerEntry, RefusedCall, Reservation, UsageDay

BY_ACCOUNT = "An account's number"


@admin.register(RefusedCall)
class RefusedCallAdmin(ReadOnly):
    list_display = ("occurred_at", "account_id", "metric", "units", "refusal", "request_id")
    list_filter = ("refusal",)
    search_fields = ("=request_id", "=account_id")
    search_help_text = "A request id, or an account's number"
    ordering = ("-occurred_at",)


@admin.register(Bucket)
class BucketAdmin(ReadOnly):
    list_display = (
        "id",
        "account_id",
        "metric",
        "window",
        "starts_at",
        "used_units",
        "reserved_units",
        "limit_units",
        "mode",
    )
    list_select_related = ("metric",)
    search_fields = ("=account__id",)
    search_help_text = BY_ACCOUNT
    ordering = ("-id",)


@admin.register(Entitlement)
class EntitlementAdmin(ReadOnly):
    list_display = (
        "account_id",
        "metric",
        "window",
        "limit_units",
        "mode",
        "source",
        "valid_from",
        "valid_until",
    )
    list_filter = ("source",)
    list_select_related = ("metric",)
    search_fields = ("=account__id",)
    search_help_text = BY_ACCOUNT
    ordering = ("-id",)


@admin.register(Grant)
class GrantAdmin(ReadOnly):
    list_display = (
        "id",
        "account_id",
        "source",
        "units",
        "remaining_units",
        "granted_at",
        "expires_at",
        "reason",
    )
    list_filter = ("source",)
    search_fields = ("=account__id", "=request_id")
    search_help_text = "An account's number, or what the credits were given for"
    ordering = ("-id",)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnly):
    list_display = (
        "id",
        "account_id",
        "kind",
        "units",
        "overage_units",
        "balance_units",
        "reason",
        "occurred_at",
    )
    list_filter = ("kind",)
    search_fields = ("=account__id", "=request_id")
    search_help_text = "An account's number, or an entry's key"
    ordering = ("-id",)


@admin.register(UsageDay)
class UsageDayAdmin(ReadOnly):
    list_display = ("day", "account_id", "credential_id", "metric", "units", "overage_units", "operations")
    list_select_related = ("metric",)
    search_fields = ("=account_id",)
    search_help_text = BY_ACCOUNT
    ordering = ("-id",)


@admin.register(Reservation)
class ReservationAdmin(ReadOnly):
    list_display = ("id", "account_id", "metric_id", "units", "status", "expires_at", "request_id")
    list_filter = ("status",)
    search_fields = ("=id", "=account_id")
    search_help_text = "A reservation's id, or an account's number"
    ordering = ("-expires_at",)
