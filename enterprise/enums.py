"""The words of organisations and their keys."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Scope(models.TextChoices):
    """What a key lets its holder do."""

    USAGE_WRITE = "usage:write", _("Count use")
    USAGE_READ = "usage:read", _("Read use")
    PRODUCT = "product", _("Call the product")
    BILLING_WRITE = "billing:write", _("Change the plan")
    CREDENTIALS_WRITE = "credentials:write", _("Manage API keys")


class CredentialStatus(models.TextChoices):
    ACTIVE = "active", _("active")
    EXPIRED = "expired", _("expired")
    REVOKED = "revoked", _("revoked")


class KeyFailure(models.TextChoices):
    """Why a key let nobody in."""

    MALFORMED = "malformed", _("This is not an API key.")
    OTHER_KIND = "other_kind", _("A person’s token is not for /v1/b2b/. Send an API key.")
    TWO_KEYS = "two_keys", _("Two different keys were sent. Send one.")
    UNKNOWN = "unknown", _("There is no such API key.")
    EXPIRED = "expired", _("The API key has expired.")
    REVOKED = "revoked", _("The API key was revoked.")


class Collection(models.TextChoices):
    """How a contract's invoices are paid."""

    INVOICE = "invoice", _("sent, to be paid within 30 days")
    CARD = "card", _("charged to the card on file")


class PeriodInvoiceStatus(models.TextChoices):
    PENDING = "pending", _("being made")
    INVOICED = "invoiced", _("invoiced")
    NOTHING = "nothing", _("nothing to invoice")
