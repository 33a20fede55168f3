"""What the meter keeps, to be read. Usage records are not listed: their table has no end; the usage page sums them."""

from typing import ClassVar

from django.contrib import admin

from common.admin.base import ReadOnly
from quotas.models import Bucket, Entitlement, Grant, LedgerEntry, RefusedCall, Reservation, UsageDay


class OfAccounts(ReadOnly):
    """Rows of accounts, the newest first, looked for by the account's number."""

    search_fields: ClassVar[tuple[str, ...]] = ("=account_id",)
    search_help_text = "An account's number"
    ordering = ("-id",)


@admin.register(RefusedCall)
class RefusedCallAdmin(ReadOnly):
    list_display = ("occurred_at", "account_id", "metric", "units", "refusal", "request_id")
    list_filter = ("refusal",)
    search_fields = ("=request_id", "=account_id")
    search_help_text = "A request id, or an account's number"
    ordering = ("-occurred_at",)


@admin.register(Bucket)
class BucketAdmin(OfAccounts):
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


@admin.register(Entitlement)
class EntitlementAdmin(OfAccounts):
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


@admin.register(Grant)
class GrantAdmin(OfAccounts):
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
    search_fields = ("=account_id", "=request_id")
    search_help_text = "An account's number, or what the credits were given for"


@admin.register(LedgerEntry)
class LedgerEntryAdmin(OfAccounts):
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
    search_fields = ("=account_id", "=request_id")
    search_help_text = "An account's number, or an entry's key"


@admin.register(UsageDay)
class UsageDayAdmin(OfAccounts):
    list_display = ("day", "account_id", "credential_id", "metric", "units", "overage_units", "operations")
    list_select_related = ("metric",)


@admin.register(Reservation)
class ReservationAdmin(ReadOnly):
    list_display = ("id", "account_id", "metric_id", "units", "status", "expires_at", "request_id")
    list_filter = ("status",)
    search_fields = ("=id",)
    search_help_text = "A reservation's id"
    ordering = ("-expires_at",)
