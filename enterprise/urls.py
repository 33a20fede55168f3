"""Addresses of this app: full paths, API (`v1/…`) and pages."""

from django.urls import URLPattern, URLResolver, path

from enterprise.api import billing, credentials, gate, usage
from enterprise.pages.urls import urlpatterns as pages

urlpatterns: list[URLPattern | URLResolver] = [
    *pages,
    path("v1/b2b/credentials", credentials.CredentialsView.as_view(), name="b2b-credentials"),
    path(
        "v1/b2b/credentials/<uuid:credential_id>/rotate",
        credentials.CredentialRotationView.as_view(),
        name="b2b-credential-rotate",
    ),
    path(
        "v1/b2b/credentials/<uuid:credential_id>/revoke",
        credentials.CredentialRevocationView.as_view(),
        name="b2b-credential-revoke",
    ),
    path("v1/b2b/subscription", billing.SubscriptionView.as_view(), name="b2b-subscription"),
    path(
        "v1/b2b/plan-change/preview",
        billing.PlanChangePreviewView.as_view(),
        name="b2b-plan-change-preview",
    ),
    path("v1/b2b/plan-change", billing.PlanChangeView.as_view(), name="b2b-plan-change"),
    path("v1/b2b/credits", billing.CreditsView.as_view(), name="b2b-credits"),
    path("v1/b2b/credits/transactions", billing.TransactionsView.as_view(), name="b2b-credit-transactions"),
    path("v1/b2b/credits/overage", billing.ChargesView.as_view(), name="b2b-overage"),
    path("v1/b2b/credits/cap", billing.CapView.as_view(), name="b2b-spend-cap"),
    path("v1/b2b/usage/check", gate.CheckView.as_view(), name="b2b-usage-check"),
    path("v1/b2b/usage/consume", gate.ConsumeView.as_view(), name="b2b-usage-consume"),
    path("v1/b2b/usage/batch", gate.BatchView.as_view(), name="b2b-usage-batch"),
    path("v1/b2b/usage/reservations", gate.ReservationsView.as_view(), name="b2b-usage-reservations"),
    path(
        "v1/b2b/usage/reservations/<uuid:reservation_id>/settle",
        gate.SettleView.as_view(),
        name="b2b-usage-settle",
    ),
    path(
        "v1/b2b/usage/reservations/<uuid:reservation_id>/release",
        gate.ReleaseView.as_view(),
        name="b2b-usage-release",
    ),
    path("v1/b2b/usage/summary", usage.SummaryView.as_view(), name="b2b-usage-summary"),
    path("v1/b2b/usage/daily", usage.DailyView.as_view(), name="b2b-usage-daily"),
    path("v1/b2b/usage/series", usage.SeriesView.as_view(), name="b2b-usage-series"),
    path("v1/b2b/usage/records", usage.RecordsView.as_view(), name="b2b-usage-records"),
    path("v1/b2b/usage/report.csv", usage.ReportView.as_view(), name="b2b-usage-report"),
]
