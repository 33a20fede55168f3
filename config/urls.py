"""Addresses. Each app's `urls` has full paths. Removing the sample product is one line here and one of INSTALLED_APPS."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from common import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("metrics", views.metrics_text, name="metrics"),
    path("favicon.ico", views.favicon, name="favicon"),
    path("v1/openapi.json", views.openapi_json, name="openapi"),
    path("v1/docs", views.DocsView.as_view(), name="api-docs"),
    path("admin/", admin.site.urls),
    path("", include("accounts.urls")),  # first: one page of allauth's stands in it anew
    path("accounts/", include("allauth.urls")),
    path("", include("quotas.urls")),
    path("", include("billing.urls")),
    path("", include("enterprise.urls")),
    path("", include("showcase.urls")),
]

handler400 = "common.pages.bad_request"
handler403 = "common.pages.permission_denied"
handler404 = "common.pages.not_found"
handler429 = "common.pages.too_many_requests"  # allauth's own convention
handler500 = "common.pages.server_error"
