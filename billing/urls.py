"""Addresses of billing: full paths. `api/account/…` serves some of the same views."""

from django.urls import URLPattern, URLResolver, include, path

from billing.api import overdue, payments, subscriptions, wallet, withdrawals
from billing.webhooks import StripeWebhookView

API = "v1/billing"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("billing.pages.urls")),
    path(f"{API}/plans", subscriptions.PlansView.as_view(), name="billing-plans"),
    path(f"{API}/subscription", subscriptions.SubscriptionView.as_view(), name="billing-subscription"),
    path(f"{API}/subscription/cancel", subscriptions.CancelView.as_view(), name="billing-cancel"),
    path(f"{API}/subscription/resume", subscriptions.ResumeView.as_view(), name="billing-resume"),
    path(f"{API}/subscription/withdraw", withdrawals.WithdrawView.as_view(), name="billing-withdraw"),
    path(
        f"{API}/plan-change/preview",
        subscriptions.PlanChangePreviewView.as_view(),
        name="billing-plan-change-preview",
    ),
    path(f"{API}/plan-change", subscriptions.PlanChangeView.as_view(), name="billing-plan-change"),
    path(f"{API}/plan-changes", subscriptions.PlanChangesView.as_view(), name="billing-plan-changes"),
    path(f"{API}/payment-methods", payments.PaymentMethodsView.as_view(), name="billing-payment-methods"),
    path(f"{API}/payment-methods/setup", payments.CardSetupView.as_view(), name="billing-card-setup"),
    path(
        f"{API}/payment-methods/<str:payment_method_id>",
        payments.PaymentMethodView.as_view(),
        name="billing-payment-method",
    ),
    path(
        f"{API}/payment-methods/<str:payment_method_id>/default",
        payments.PaymentMethodDefaultView.as_view(),
        name="billing-payment-method-default",
    ),
    path(f"{API}/invoices", payments.InvoicesView.as_view(), name="billing-invoices"),
    path(f"{API}/invoices/<str:invoice_id>", payments.InvoiceView.as_view(), name="billing-invoice"),
    path(
        f"{API}/invoices/<str:invoice_id>/pay", overdue.InvoicePayView.as_view(), name="billing-invoice-pay"
    ),
    path(
        f"{API}/invoices/<str:invoice_id>/pdf", payments.InvoicePdfView.as_view(), name="billing-invoice-pdf"
    ),
    path(f"{API}/credits", wallet.CreditsView.as_view(), name="billing-credits"),
    path(
        f"{API}/credits/transactions", wallet.TransactionsView.as_view(), name="billing-credit-transactions"
    ),
    path(f"{API}/credits/overage", wallet.ChargesView.as_view(), name="billing-overage"),
    path(f"{API}/credits/cap", wallet.CapView.as_view(), name="billing-spend-cap"),
    path("stripe/webhook/<uuid:uuid>/", StripeWebhookView.as_view(), name="stripe-webhook"),
]
