"""What callers by API key are told besides what everybody is."""

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from accounts.enums import Permission, Role
from common.errors import DomainError, NotAuthenticated, PermissionDenied
from quotas.errors import QuotaExceeded

if TYPE_CHECKING:
    from enterprise.models import Credential


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


class RoleMissing(PermissionDenied):
    """`details`: the `role` that the person has in the organisation, and what it does not let them do, `required`."""

    @classmethod
    def of(cls, role: str, permission: Permission) -> "RoleMissing":
        return cls(
            _("Your role in this organisation does not allow this. Ask one of its owners."),
            details={"role": str(Role(role)), "required": str(Permission(permission))},
        )


class KeyMadeAlready(DomainError):
    """The request, or the form, has made its key before; only its first answer shows it.

    `details.credential`: the key that was made, with its `id`, `name` and `prefix`.
    """

    code, status = "key_made_already", 409
    default_message = _("This key was made already and is shown only once. Rotate it if you did not keep it.")

    def __init__(self, made: "Credential") -> None:
        self.made = made
        super().__init__(
            details={"credential": {"id": str(made.public_id), "name": made.name, "prefix": made.prefix}}
        )
