"""The product's addresses, and SP-4's two endpoints: alike but for the meter."""

from config.urls import urlpatterns as _product

urlpatterns = [*_product]
