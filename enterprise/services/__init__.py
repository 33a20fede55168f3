"""What changes organisations: keys, contracts."""

from enterprise.services.contracts import contract_amend, contract_create, entitlements_push
from enterprise.services.credentials import (
    credential_authenticate,
    credential_create,
    credential_revoke,
    credential_rotate,
)

__all__ = [
    "contract_amend",
    "contract_create",
    "credential_authenticate",
    "credential_create",
    "credential_revoke",
    "credential_rotate",
    "entitlements_push",
]
