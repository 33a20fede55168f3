from django.urls import path

from common.routes import account_paths
from quotas.api import QuotasView, QuotaView
from quotas.usage_api import UsageRecordsView, UsageReportView, UsageView

urlpatterns = [
    path("v1/billing/quota", QuotaView.as_view(), name="billing-quota"),
    *account_paths("quotas", QuotasView.as_view(), name="account-quotas"),
    *account_paths("usage", UsageView.as_view(), name="account-usage"),
    *account_paths("usage/records", UsageRecordsView.as_view(), name="account-usage-records"),
    *account_paths("usage/report.csv", UsageReportView.as_view(), name="account-usage-report"),
]
