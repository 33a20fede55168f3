"""What changes organisations: keys, contracts, members."""

from enterprise.services.closing import organisation_close
from enterprise.services.contracts import contract_amend, contract_create, contract_end, entitlements_push
from enterprise.services.credentials import (
    credential_authenticate,
    credential_create,
    credential_revoke,
    credential_rotate,
)
from enterprise.services.invitations import (
    invitation_accept,
    invitation_resend,
    invitation_withdraw,
    member_invite,
)
from enterprise.services.members import (
    member_remove,
    member_role_change,
    organisation_create,
    ownership_transfer,
)

__all__ = [
    "contract_amend",
    "contract_create",
    "contract_end",
    "credential_authenticate",
    "credential_create",
    "credential_revoke",
    "credential_rotate",
    "entitlements_push",
    "invitation_accept",
    "invitation_resend",
    "invitation_withdraw",
    "member_invite",
    "member_remove",
    "member_role_change",
    "organisation_close",
    "organisation_create",
    "ownership_transfer",
]
