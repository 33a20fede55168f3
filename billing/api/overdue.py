"""Paying an open invoice: the HTTP edge."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import IsUser
from accounts.selectors import account_of, person_of
from billing import services
from billing.api import schemas
from billing.api.payments import invoice_json
from billing.errors import PaymentActionRequired, PaymentFailed, PaymentProviderUnavailable
from common import clock
from common.api import ApiView
from common.errors import IdempotencyKeyReused
from common.openapi import raises
from common.request_id import current_request_id


class InvoicePayView(ApiView):
    permission_classes = [IsUser]
    rate_limits = ("global", "user", "plan_change")
    idempotent = False  # the answer may hold the payment's secret; the payment itself knows its key

    @raises(PaymentFailed, PaymentActionRequired, PaymentProviderUnavailable, IdempotencyKeyReused)
    @extend_schema(
        operation_id="billing_invoice_pay",
        request=schemas.InvoicePayRequest,
        responses=schemas.InvoiceShape,
    )
    def post(self, request: Request, invoice_id: str) -> Response:
        """Pay an open invoice now, with the card on file or another one. Paid already: nothing is charged again."""
        invoice = services.invoice_pay(
            account=account_of(request),
            user=person_of(request),
            invoice_id=invoice_id,
            payment_method=self.body(schemas.InvoicePayRequest).get("payment_method"),
            idempotency_key=request.headers.get("Idempotency-Key"),
            request_id=current_request_id(),
            now=clock.now(),
        )
        return Response(invoice_json(invoice))
