"""Forgetting who a customer was: in dj-stripe's copy of Stripe's objects, and in what our own rows quote from it."""

import functools
import operator
from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import apps
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Cast
from djstripe.models import Event, PaymentMethod, WebhookEventTrigger

from billing.models import InvoicePayment, PaymentAttempt, PlanChange

FORGET = "billing.tasks.customer_forget"
EMAIL = "billing.tasks.customer_email_follow"
# What Stripe's objects call the person who pays. Sums, dates and numbers of invoices stay.
PERSONAL = frozenset(
    {
        "address",
        "billing_details",
        "business_name",
        "card",
        "collected_information",
        "custom_fields",
        "customer_address",
        "customer_details",
        "customer_email",
        "customer_name",
        "customer_phone",
        "customer_shipping",
        "customer_tax_ids",
        "email",
        "evidence",
        "individual_name",
        "payment_method_details",
        "phone",
        "receipt_email",
        "shipping",
        "shipping_address",
        "shipping_details",
    }
)
# What only some objects have, or only there tells of the person.
PERSONAL_IN = {
    "customer": frozenset({"name", "description"}),
    "tax_id": frozenset({"value", "verification"}),
}


def cards_of(customer_id: str) -> list[str]:
    """The ids of its payment methods: once they are taken from it, Stripe's objects no longer say whose they were."""
    rows = PaymentMethod.objects.alias(text=_text("stripe_data")).filter(text__contains=customer_id)
    return list(rows.values_list("id", flat=True))


def words_forget(*, account_id: int) -> None:
    """Cards, and what the person wrote, in rows that stay for the books."""
    PaymentAttempt.objects.filter(account=account_id).update(card_brand="", card_last4="")
    InvoicePayment.objects.filter(account=account_id).update(payment_method_id="", error_details={})
    PlanChange.objects.filter(account=account_id).exclude(reason="").update(reason="")


@transaction.atomic
def mirror_forget(*, ids: Sequence[str]) -> None:
    """Takes the person out of every copy of an object that names one of these, and removes the events about them."""
    for model in _mirrored():
        rows = model._default_manager.alias(text=_text("stripe_data")).filter(_names("text", ids))
        for row in rows.select_for_update():
            row.stripe_data = without_person(row.stripe_data)  # type: ignore[attr-defined]
            columns = [field for field in model._meta.concrete_fields if field.name in PERSONAL]
            for column in columns:
                setattr(row, column.attname, None if column.null else "")
            row.save(update_fields=["stripe_data", *(column.name for column in columns)])
    Event.objects.alias(text=_text("data")).filter(_names("text", ids)).delete()
    WebhookEventTrigger.objects.filter(_names("body", ids)).delete()


def _text(column: str) -> Cast:
    return Cast(column, models.TextField())


def _names(column: str, ids: Sequence[str]) -> Q:
    return functools.reduce(operator.or_, (Q(**{f"{column}__contains": one}) for one in ids))


def _mirrored() -> Iterator[type[models.Model]]:
    for model in apps.get_app_config("djstripe").get_models():
        if model is not Event and any(field.name == "stripe_data" for field in model._meta.get_fields()):
            yield model


def without_person(data: Any) -> Any:
    """The object without what names the person, their cards and accounts."""
    if isinstance(data, list):
        return [without_person(one) for one in data]
    if not isinstance(data, dict):
        return data
    kind = data.get("object")
    of_person = PERSONAL | PERSONAL_IN.get(kind, frozenset()) if isinstance(kind, str) else PERSONAL
    if kind == "payment_method":  # the details stand under the name of its type
        of_person |= {str(data.get("type"))}
    return {key: None if key in of_person else without_person(value) for key, value in data.items()}
