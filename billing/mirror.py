"""dj-stripe's copy of Stripe's objects: what of it is about one customer, and forgetting who that was."""

import functools
import operator
from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import apps
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Cast
from djstripe.models import Event, PaymentMethod, WebhookEventTrigger

FORGET = "billing.tasks.customer_forget"
# What Stripe's objects call the person who pays. Sums, dates and numbers of invoices stay.
PERSONAL = frozenset(
    {
        "address",
        "billing_details",
        "customer_address",
        "customer_email",
        "customer_name",
        "customer_phone",
        "customer_shipping",
        "customer_tax_ids",
        "email",
        "individual_name",
        "business_name",
        "phone",
        "receipt_email",
        "shipping",
    }
)
OF_CUSTOMER = "customer"


def cards_of(customer_id: str) -> list[str]:
    """The ids of its payment methods: once they are taken from it, Stripe's objects no longer say whose they were."""
    rows = PaymentMethod.objects.alias(text=_text("stripe_data")).filter(text__contains=customer_id)
    return list(rows.values_list("id", flat=True))


@transaction.atomic
def mirror_forget(*, ids: Sequence[str]) -> None:
    """Takes the person out of every copy of an object that names one of these, and removes the events about them."""
    for model in _mirrored():
        rows = model._default_manager.alias(text=_text("stripe_data")).filter(_names("text", ids))
        for row in rows.select_for_update():
            row.stripe_data = without_person(row.stripe_data)
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
    """The object without what names the person; a customer's own name too."""
    if isinstance(data, list):
        return [without_person(one) for one in data]
    if not isinstance(data, dict):
        return data
    of_person = PERSONAL | {"name"} if data.get("object") == OF_CUSTOMER else PERSONAL
    return {key: None if key in of_person else without_person(value) for key, value in data.items()}
