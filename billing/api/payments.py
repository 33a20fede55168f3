"""Cards and invoices: the HTTP edge. Both are read from Stripe, which has the truth about them."""

from typing import Any
from uuid import uuid4

from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import IsUser
from accounts.selectors import account_of
from billing import services
from billing.api import schemas
from billing.errors import PaymentFailed, PaymentProviderUnavailable
from billing.gateways.values import InvoiceState, PaymentMethodState
from billing.services.invoices import InvoiceDetail
from common.api import ApiView, listed, paginate_list
from common.api.pagination import page_limit
from common.money import Money
from common.openapi import raises
from quotas.serialize import instant

LIMITS = ("global", "user")


def payment_method_json(method: PaymentMethodState, default_id: str | None) -> dict[str, Any]:
    return {
        "id": method.id,
        "type": method.kind,
        "brand": method.brand,
        "last4": method.last4,
        "exp_month": method.exp_month,
        "exp_year": method.exp_year,
        "is_default": method.id == default_id,
    }


def invoice_json(invoice: InvoiceState) -> dict[str, Any]:
    def money(amount_minor: int) -> dict[str, int | str]:
        return Money(amount_minor, invoice.currency).as_json()

    return {
        "id": invoice.id,
        "number": invoice.number,
        "status": invoice.status,
        "total": money(invoice.total_minor),
        "amount_due": money(invoice.amount_due_minor),
        "amount_paid": money(invoice.amount_paid_minor),
        "lines": [
            {
                "description": line.description,
                "amount_minor": line.amount_minor,
                "period_start": instant(line.period_start),
                "period_end": instant(line.period_end),
            }
            for line in invoice.lines
        ],
        "subtotal": money(invoice.subtotal_minor),
        "tax": money(invoice.tax_minor),
        "credited": money(invoice.credited_minor),
        "created_at": instant(invoice.created_at),
        "issued_at": instant(invoice.issued_at),
        "paid_at": instant(invoice.paid_at),
    }


def invoice_detail_json(detail: InvoiceDetail) -> dict[str, Any]:
    """The invoice with what corrected it."""
    currency = detail.invoice.currency
    return invoice_json(detail.invoice) | {
        "refunded": Money(detail.refunded_minor, currency).as_json(),
        "credit_notes": [
            {
                "id": note.id,
                "number": note.number,
                "status": note.status,
                "total": Money(note.total_minor, currency).as_json(),
                "refunded": Money(note.refunded_minor, currency).as_json(),
                "to_balance": Money(note.to_balance_minor, currency).as_json(),
                "created_at": instant(note.created_at),
            }
            for note in detail.credit_notes
        ],
        "refunds": [
            {
                "id": refund.id,
                "status": refund.status,
                "amount": Money(refund.amount_minor, refund.currency).as_json(),
                "created_at": instant(refund.created_at),
            }
            for refund in detail.refunds
        ],
    }


class PaymentMethodsView(ApiView):
    permission_classes = [IsUser]
    rate_limits = LIMITS
    errors = (PaymentProviderUnavailable,)

    @extend_schema(
        operation_id="billing_payment_methods",
        responses=schemas.PaymentMethodShape(many=True),
    )
    def get(self, request: Request) -> Response:
        """The account's cards; the default is the one that is charged."""
        methods, default_id = services.payment_methods_list(account=account_of(request))
        told = [payment_method_json(one, default_id) for one in methods]
        return listed(*paginate_list(told, request, key=lambda one: one["id"]))

    @raises(PaymentFailed)
    @extend_schema(
        operation_id="billing_payment_method_add",
        request=schemas.PaymentMethodRequest,
        responses=schemas.PaymentMethodShape,
    )
    def post(self, request: Request) -> Response:
        """Add a card that Stripe's element collected. The first one becomes the default."""
        account = account_of(request)
        method = services.payment_method_add(
            account=account, payment_method_id=self.body(schemas.PaymentMethodRequest)["payment_method"]
        )
        _, default_id = services.payment_methods_list(account=account)
        return Response(payment_method_json(method, default_id))


class CardSetupView(ApiView):
    permission_classes = [IsUser]
    rate_limits = LIMITS
    errors = (PaymentProviderUnavailable,)
    idempotent = False  # the answer holds a secret; Stripe knows the key

    @extend_schema(
        operation_id="billing_payment_method_setup",
        request=schemas.EmptyRequest,
        responses=schemas.CardSetupShape,
    )
    def post(self, request: Request) -> Response:
        """Begin saving a card in the browser, with the bank's confirmation where it wants one: Stripe's script takes the
        client secret. The card is then one of the payment methods.
        """
        self.body(schemas.EmptyRequest)
        key = request.headers.get("Idempotency-Key") or uuid4().hex
        intent = services.card_setup_begin(account=account_of(request), key=f"api-{key}")
        return Response(
            {
                "id": intent.id,
                "status": intent.status,
                "client_secret": intent.client_secret,
                "publishable_key": settings.STRIPE_PUBLISHABLE_KEY,
            }
        )


class PaymentMethodView(ApiView):
    permission_classes = [IsUser]
    rate_limits = LIMITS
    errors = (PaymentProviderUnavailable,)

    @extend_schema(
        operation_id="billing_payment_method_remove",
        responses=schemas.PaymentMethodShape(many=True),
    )
    def delete(self, request: Request, payment_method_id: str) -> Response:
        """Remove a card; answers with those that are left. The one in use stays."""
        account = account_of(request)
        services.payment_method_remove(account=account, payment_method_id=payment_method_id)
        methods, default_id = services.payment_methods_list(account=account)
        return listed([payment_method_json(one, default_id) for one in methods], None)


class PaymentMethodDefaultView(ApiView):
    permission_classes = [IsUser]
    rate_limits = LIMITS
    errors = (PaymentProviderUnavailable,)

    @extend_schema(
        operation_id="billing_payment_method_default",
        request=schemas.EmptyRequest,
        responses=schemas.PaymentMethodShape(many=True),
    )
    def post(self, request: Request, payment_method_id: str) -> Response:
        """Charge this card from now on."""
        self.body(schemas.EmptyRequest)
        account = account_of(request)
        customer = services.payment_method_make_default(account=account, payment_method_id=payment_method_id)
        methods, _ = services.payment_methods_list(account=account)
        return listed([payment_method_json(one, customer.default_payment_method_id) for one in methods], None)


class InvoicesView(ApiView):
    permission_classes = [IsUser]
    rate_limits = LIMITS
    errors = (PaymentProviderUnavailable,)

    @extend_schema(
        operation_id="billing_invoices",
        parameters=[schemas.InvoicesQuery],
        responses=schemas.InvoiceShape(many=True),
    )
    def get(self, request: Request) -> Response:
        """Invoices, newest first."""
        wanted = self.query(schemas.InvoicesQuery)
        invoices, cursor = services.invoices_list(
            account=account_of(request),
            status=wanted.get("status"),
            year=wanted.get("year"),
            limit=page_limit(request),
            cursor=request.query_params.get("cursor"),
        )
        return listed([invoice_json(one) for one in invoices], cursor)


class InvoiceView(ApiView):
    permission_classes = [IsUser]
    rate_limits = LIMITS
    errors = (PaymentProviderUnavailable,)

    @extend_schema(operation_id="billing_invoice", responses=schemas.InvoiceDetailShape)
    def get(self, request: Request, invoice_id: str) -> Response:
        """One invoice with its lines, credit notes and refunds."""
        return Response(
            invoice_detail_json(services.invoice_detail(account=account_of(request), invoice_id=invoice_id))
        )


class InvoicePdfView(ApiView):
    permission_classes = [IsUser]
    rate_limits = LIMITS
    errors = (PaymentProviderUnavailable,)

    @extend_schema(
        operation_id="billing_invoice_pdf",
        responses={302: OpenApiResponse(description="Where the PDF is.")},
    )
    def get(self, request: Request, invoice_id: str) -> HttpResponse:
        """The invoice as a PDF, at an address of Stripe's that holds for a while."""
        return HttpResponseRedirect(
            services.invoice_pdf_url(account=account_of(request), invoice_id=invoice_id)
        )
