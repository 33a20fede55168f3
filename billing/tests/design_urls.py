"""The application's addresses and the components' page, which is only served with DEBUG."""

from django.urls import include, path

from accounts.urls import design_urls
from billing.pages.design import design

urlpatterns = [path("design/", design), *design_urls, path("", include("config.urls"))]
