"""Addresses of this app: full paths, API (`v1/…`) and pages."""

from django.urls import URLPattern, URLResolver

urlpatterns: list[URLPattern | URLResolver] = []
