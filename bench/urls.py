"""The product's addresses, and SP-4's two endpoints."""

from django.urls import path

from bench.endpoints import MeteredView, PlainView
from bench.web import METERED_PATH, PLAIN_PATH
from config.urls import urlpatterns as _product

urlpatterns = [
    path(PLAIN_PATH[1:], PlainView.as_view()),
    path(METERED_PATH[1:], MeteredView.as_view()),
    *_product,
]
