"""What changes organisations: keys."""

from enterprise.services.credentials import (
    credential_authenticate,
    credential_create,
    credential_revoke,
    credential_rotate,
)

__all__ = [
    "credential_authenticate",
    "credential_create",
    "credential_revoke",
    "credential_rotate",
]
