"""Addresses of this app: full paths, API (`v1/…`) and pages."""

from django.urls import URLPattern, URLResolver, path

from enterprise.api import credentials, gate, usage
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
