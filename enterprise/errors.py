"""What callers by API key are told besides what everybody is."""

from django.utils.translation import gettext_lazy as _

from common.errors import DomainError, NotAuthenticated
from quotas.errors import QuotaExceeded


class InvalidApiKey(NotAuthenticated):
    """`details.reason`: malformed, other_kind, two_keys, unknown, expired, revoked."""

    code = "invalid_api_key"
    default_message = _("The API key is not valid.")


class ScopeMissing(DomainError):
    """`details`: `required`, and the `scopes` that the key has."""

    code, status = "scope_missing", 403
    default_message = _("The API key does not have the scope that this needs.")


class B2bQuotaExceeded(QuotaExceeded):
    code = "b2b_quota_exceeded"
    default_message = _("The organisation has reached a limit of its contract or plan.")
