"""What operators watch of billing. Labels are short closed lists."""

from prometheus_client import Counter

plan_change_total = Counter(
    "billing_plan_change_total", "Changes of plan that were applied or scheduled", ["kind", "status"]
)
plan_change_failure_total = Counter(
    "billing_plan_change_failure_total", "Attempts to change the plan that were refused or failed", ["code"]
)
plan_change_failure_total.labels(
    "payment_provider_unavailable"
)  # from 0 on, so that an alert sees the first ones
coherence_errors_total = Counter(
    "billing_coherence_errors_total", "Found that what should be equal is not", ["what"]
)
mirror_failures_total = Counter(
    "billing_mirror_failures_total", "Events that dj-stripe's mirror cannot take; parked in the outbox"
)
webhooks_total = Counter("billing_webhooks_total", "Events received from Stripe", ["outcome"])
webhooks_total.labels("refused")  # from 0 on, likewise
invoice_payments_total = Counter(
    "billing_invoice_payments_total", "Open invoices that somebody paid now, or tried to", ["outcome"]
)
drift_found_total = Counter("billing_drift_found_total", "Differences from Stripe that were found", ["kind"])
