"""Contracts and keys. Contracts are changed by their own commands and services; a key's secret is nowhere."""

from django.contrib import admin

from common.admin.base import ReadOnly
from enterprise.models import Contract, Credential


@admin.register(Contract)
class ContractAdmin(ReadOnly):
    of_people = ("title",)
    list_display = ("public_id", "title", "account_id", "collection", "period_months", "starts_at", "ends_at")
    search_fields = ("=public_id", "=account_id")
    search_help_text = "A contract's id, or an account's number"
    ordering = ("-starts_at",)


@admin.register(Credential)
class CredentialAdmin(ReadOnly):
    list_display = ("prefix", "name", "account_id", "created_at", "expires_at", "revoked_at", "last_used_at")
    search_fields = ("=prefix", "=account_id")
    search_help_text = "The part of a key before its last underscore, or an account's number"
    ordering = ("-created_at",)
    exclude = ("secret_hash",)
