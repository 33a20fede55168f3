"""Pages of the account and of billing."""

from django.conf import settings
from django.urls import URLPattern, path

from billing.pages import (
    cards,
    change,
    dashboard,
    design,
    details,
    ending,
    home,
    invoices,
    methods,
    overdue,
    overview,
    pay,
    plans,
    usage,
    wallet,
)

urlpatterns: list[URLPattern] = [
    path("", home.home, name="home"),
    path("account/", overview.overview, name="account_overview"),
    path("account/usage/", usage.usage, name="account_usage"),
    path("account/usage/shown.csv", usage.usage_shown_file, name="account_usage_shown"),
    path("account/usage/operations.csv", usage.usage_operations_file, name="account_usage_operations"),
    path("account/usage/thresholds/", usage.usage_thresholds, name="account_usage_thresholds"),
    path("account/quotas/", overview.quotas, name="account_quotas"),
    path("account/billing/", dashboard.billing, name="account_billing"),
    path("account/billing/cancel/", ending.cancel, name="subscription_cancel"),
    path("account/billing/resume/", ending.resume, name="subscription_resume"),
    path("account/billing/withdraw/", ending.withdraw, name="subscription_withdraw"),
    path("account/billing/withdrawals/<uuid:withdrawal_id>/", ending.withdrawal, name="withdrawal"),
    path("account/billing/credits/", wallet.credits_page, name="account_credits"),
    path("account/billing/credits/cap/", wallet.credits_cap, name="account_credits_cap"),
    path("account/billing/invoices/", invoices.invoices, name="account_invoices"),
    path("account/billing/invoices/<str:invoice_id>/", invoices.invoice, name="account_invoice"),
    path("account/billing/invoices/<str:invoice_id>/pdf/", invoices.invoice_pdf, name="account_invoice_pdf"),
    path("account/billing/plans/", plans.plans, name="plans"),
    path("account/billing/plans/<slug:plan>/<slug:interval>/", change.plan_preview, name="plan_preview"),
    path(
        "account/billing/plans/<slug:plan>/<slug:interval>/checkout/", pay.plan_checkout, name="plan_checkout"
    ),
    path("account/billing/changes/<uuid:change_id>/pay/", pay.plan_pay, name="plan_pay"),
    path("account/billing/changes/<uuid:change_id>/drop/", pay.plan_pay_drop, name="plan_pay_drop"),
    path("account/billing/changes/<uuid:change_id>/", change.plan_result, name="plan_result"),
    path("account/billing/changes/undo/", change.plan_undo, name="plan_undo"),
    path("account/billing/overdue/", overdue.banner, name="overdue_banner"),
    path("account/billing/pay/<str:invoice_id>/", overdue.pay, name="invoice_pay"),
    path("account/billing/pay/<str:invoice_id>/confirm/", overdue.confirm, name="invoice_confirm"),
    path("account/billing/card/", cards.card, name="payment_card"),
    path("account/billing/card/enter/", methods.card_enter, name="card_enter"),
    path("account/billing/card/visit/", methods.card_visit, name="card_visit"),
    path("account/billing/card/back/", methods.card_back, name="card_back"),
    path("account/billing/card/<str:setup_intent_id>/", methods.card_fields, name="card_fields"),
    path("account/billing/card/<str:setup_intent_id>/done/", methods.card_done, name="card_done"),
    path("account/billing/details/", details.details, name="billing_details"),
    path("account/billing/details/tax-ids/", details.tax_id_new, name="tax_id_new"),
    path("account/billing/details/tax-ids/<str:tax_id>/remove/", details.tax_id_drop, name="tax_id_drop"),
    path("account/billing/payment-methods/", methods.payment_methods, name="payment_methods"),
    path(
        "account/billing/payment-methods/<str:payment_method_id>/default/",
        methods.payment_method_default,
        name="payment_method_default",
    ),
    path(
        "account/billing/payment-methods/<str:payment_method_id>/remove/",
        methods.payment_method_drop,
        name="payment_method_drop",
    ),
]

if settings.DEBUG:
    urlpatterns.append(path("design/", design.design, name="design"))
