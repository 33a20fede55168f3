"""What a key's scopes let its holder do."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from enterprise.errors import ScopeMissing
from enterprise.models import Credential


class HasScope(BasePermission):
    """The key has the scope that the view names for the method. ScopeMissing otherwise."""

    errors = (ScopeMissing,)  # for the API's description

    def has_permission(self, request: Request, view: Any) -> bool:
        credential = request.auth
        if not isinstance(credential, Credential):
            return False
        required = view.scopes["get" if request.method == "HEAD" else (request.method or "").lower()]
        if required not in credential.scopes:
            raise ScopeMissing(details={"required": str(required), "scopes": sorted(credential.scopes)})
        return True
