"""Addresses of this app: full paths, API (`v1/…`) and pages."""

from django.urls import URLPattern, URLResolver, path

from enterprise.api import credentials

urlpatterns: list[URLPattern | URLResolver] = [
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
]
