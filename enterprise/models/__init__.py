"""What organisations have: keys, invitations."""

from enterprise.models.credentials import Credential
from enterprise.models.members import Invitation

__all__ = ["Credential", "Invitation"]
