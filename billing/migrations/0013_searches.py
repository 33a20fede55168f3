"""What customers quote of payments is found without reading all of them; and without stopping who writes meanwhile."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q

INVOICE = Q(stripe_invoice_id="")


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("billing", "0012_payment_times")]

    operations = [
        AddIndexConcurrently(
            "paymentattempt",
            models.Index(fields=["stripe_invoice_id"], condition=~INVOICE, name="payment_attempt_by_invoice"),
        ),
        AddIndexConcurrently(
            "paymentattempt",
            models.Index(
                fields=["card_last4", "-attempted_at"], condition=~Q(card_last4=""), name="payment_attempt_by_card"
            ),
        ),
        AddIndexConcurrently(
            "invoicepayment", models.Index(fields=["stripe_invoice_id"], name="invoice_payment_by_invoice")
        ),
        AddIndexConcurrently(
            "planchange",
            models.Index(fields=["stripe_invoice_id"], condition=~INVOICE, name="plan_change_by_invoice"),
        ),
        AddIndexConcurrently(
            "planchange",
            models.Index(
                fields=["stripe_subscription_id"],
                condition=~Q(stripe_subscription_id=""),
                name="plan_change_by_stripe_sub",
            ),
        ),
        AddIndexConcurrently(
            "overagecharge",
            models.Index(fields=["stripe_invoice_id"], condition=~INVOICE, name="overage_by_invoice"),
        ),
        AddIndexConcurrently(
            "refund", models.Index(fields=["stripe_invoice_id"], name="refund_by_invoice")
        ),
    ]
