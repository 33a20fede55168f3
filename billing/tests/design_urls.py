"""The application's addresses and the components' page, which is only served with DEBUG."""

from django.urls import include, path

from billing.pages.design import design

urlpatterns = [path("design/", design), path("", include("config.urls"))]
