"""Reading organisations, their keys and members."""

from enterprise.selectors.credentials import (
    credential_found,
    credential_get,
    credential_public_ids,
    credentials_of,
)

__all__ = ["credential_found", "credential_get", "credential_public_ids", "credentials_of"]
