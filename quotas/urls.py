from django.urls import path

from quotas.api import QuotasView, QuotaView

urlpatterns = [
    path("v1/billing/quota", QuotaView.as_view(), name="billing-quota"),
    path("v1/account/quotas", QuotasView.as_view(), name="account-quotas"),
    path("api/account/quotas", QuotasView.as_view(), name="account-quotas-alias"),
]
