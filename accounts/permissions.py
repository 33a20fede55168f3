"""What a token's role lets its holder do."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework_simplejwt.tokens import Token

from accounts.tokens import ROLE_CLAIM, ROLE_USER


class IsUser(BasePermission):
    """A person's own token, with the role `user`."""

    def has_permission(self, request: Request, view: Any) -> bool:  # noqa: ARG002
        token = request.auth
        return isinstance(token, Token) and token.payload.get(ROLE_CLAIM) == ROLE_USER
