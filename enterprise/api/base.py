"""The base of every B2B view: a key instead of a token, scopes, three rate limits, and quota errors by their B2B name.

class SummaryView(B2bView):
    scopes = {"get": Scope.USAGE_READ}

    @extend_schema(operation_id="b2b_usage_summary", responses=SummaryData)
    def get(self, request): ... self.account, self.credential
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NoReturn

from django.http import HttpResponse
from django.utils.translation import gettext as _
from rest_framework.request import Request

from accounts.models import Account
from common.api import ApiView
from common.api.envelope import error_code_of
from common.errors import DomainError, NotAuthenticated
from enterprise import metrics
from enterprise.authentication import ApiKeyAuthentication
from enterprise.decisions import refusal_told, use_noted
from enterprise.enums import Scope
from enterprise.errors import B2bQuotaExceeded
from enterprise.models import Credential
from enterprise.permissions import HasScope
from quotas.errors import MeteringRefused, QuotaExceeded
from quotas.metering import Metering

METHODS = frozenset({"get", "post", "put", "patch", "delete"})


class B2bView(ApiView):
    """`scopes` names the scope that each method needs; a method without one is a mistake of ours, told at import."""

    authentication_classes = [ApiKeyAuthentication]
    permission_classes = [HasScope]
    rate_limits: ClassVar[tuple[str, ...]] = ("global", "b2b_account", "b2b_credential")
    scopes: ClassVar[Mapping[str, Scope]] = {}
    # For the description: which error is told by which name here.
    errors_as: ClassVar[Mapping[type[DomainError], type[DomainError]]] = {QuotaExceeded: B2bQuotaExceeded}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        unnamed = sorted(method for method in METHODS if hasattr(cls, method) and method not in cls.scopes)
        if unnamed:
            raise TypeError(f"{cls.__name__}.scopes names none for {unnamed}")

    @property
    def credential(self) -> Credential:
        """The key that calls."""
        credential = self.request.auth
        assert isinstance(credential, Credential), "HasScope has made sure"
        return credential

    @property
    def account(self) -> Account:
        """The organisation whose key it is."""
        return self.credential.account

    def permission_denied(
        self, request: Request, message: str | None = None, code: str | None = None
    ) -> NoReturn:
        if not request.successful_authenticator:
            raise NotAuthenticated(_("Send an API key, as Authorization: Bearer plr_… or X-Api-Key."))
        super().permission_denied(request, message, code)

    def handle_exception(self, exc: Exception) -> HttpResponse:  # type: ignore[override]
        if isinstance(exc, MeteringRefused) and isinstance(self.request.auth, Credential):
            exc = refusal_told(exc, credential=self.credential)
        answer = super().handle_exception(exc)
        metrics.ERRORS.labels(error_code_of(answer) or "unknown").inc()
        return answer

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        call: Metering | None = getattr(request, "metering", None)
        if call is not None and call.settled is not None:
            use_noted(call.settled)
        return super().finalize_response(request, response, *args, **kwargs)
