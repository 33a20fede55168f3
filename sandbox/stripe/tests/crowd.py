"""A stand-in full of objects, for the tests that look at all of them."""

from typing import Any

import requests

from sandbox.stripe.tests.conftest import World


def everything(world: World) -> list[dict[str, Any]]:
    """A crowded year: at least one object of each kind, in as many states as come about."""
    basic, premium = world.price("Basic", 500), world.price("Premium", 2000)
    sub = world.subscribe(basic, world.customer(name="Ada", address={"city": "Paris", "country": "FR"}))
    world.change(sub, premium, proration_behavior="always_invoice", proration_date=world.now)
    world.change(sub, world.price("Yearly", 20000, "year"))
    schedule = world.v1.subscription_schedules.create({"from_subscription": sub.id})
    phase = schedule.phases[0]
    world.v1.subscription_schedules.update(
        schedule.id,
        {
            "phases": [
                {
                    "items": [{"price": phase["items"][0].price}],
                    "start_date": phase.start_date,
                    "end_date": phase.end_date,
                },
                {"items": [{"price": basic}]},
            ]
        },
    )
    trial = world.subscribe(basic, world.customer(card=None), trial_period_days=5)
    world.v1.subscriptions.update(trial.id, {"cancel_at_period_end": True})
    refusing = world.subscribe(premium, world.customer("pm_card_chargeCustomerFail"))
    world.subscribe(premium, world.customer("pm_card_authenticationRequired"))
    world.v1.invoices.void_invoice(refusing.latest_invoice)
    late = world.subscribe(basic)
    broken = world.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": late.customer})
    world.v1.subscriptions.update(late.id, {"default_payment_method": broken.id})
    world.change(late, premium, proration_behavior="always_invoice", payment_behavior="pending_if_incomplete")
    world.v1.setup_intents.create(
        {"customer": sub.customer, "payment_method": "pm_card_visa", "confirm": True}
    )
    world.v1.payment_intents.create(
        {"amount": 999, "currency": "eur", "payment_method": "pm_card_mastercard", "confirm": True}
    )
    world.v1.invoice_items.create({"customer": sub.customer, "amount": 123, "currency": "eur"})
    world.v1.customers.balance_transactions.create(sub.customer, {"amount": -700, "currency": "eur"})
    world.v1.webhook_endpoints.create({"url": "http://127.0.0.1:1/", "enabled_events": ["*"]})
    _given_back(world, sub.customer)
    _taxed(world)
    disputed = world.subscribe(premium, world.customer("pm_card_createDispute"))
    assert disputed.status == "active"
    clock = world.v1.test_helpers.test_clocks.create({"frozen_time": world.now + 5})
    world.subscribe(basic, world.customer(test_clock=clock.id))
    world.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": world.now + 86_400 * 40})
    _in_a_browser(world)
    world.advance(days=40)
    objects = [obj for kind in world.state().values() for obj in kind.values()]
    objects = [obj for obj in objects if obj.get("type") != "invoice.upcoming"]  # its invoice has no id
    objects += [event["data"]["object"] for event in objects if event["object"] == "event"]
    objects += [world.preview(late).to_dict(), world.v1.accounts.retrieve_current().to_dict()]
    return objects


def _taxed(world: World) -> None:
    rates = [
        world.v1.tax_rates.create(
            {"display_name": "VAT", "percentage": percentage, "inclusive": inclusive, "country": "FR"}
        ).id
        for percentage, inclusive in ((20.0, False), (5.5, True))
    ]
    sub = world.subscribe(world.price("Basic", 500), default_tax_rates=rates[:1])
    item = sub["items"].data[0].id
    world.v1.subscriptions.update(
        sub.id,
        {
            "items": [{"id": item, "price": world.price("Premium", 2000), "tax_rates": rates}],
            "proration_behavior": "always_invoice",
        },
    )
    world.v1.subscription_schedules.create({"from_subscription": sub.id})
    line = world.v1.invoices.line_items.list(sub.latest_invoice).data[0].id
    note = [{"type": "invoice_line_item", "invoice_line_item": line, "quantity": 1}]
    world.v1.credit_notes.create({"invoice": sub.latest_invoice, "lines": note})
    world.v1.invoice_items.create(
        {"customer": sub.customer, "amount": 100, "currency": "eur", "tax_rates": rates}
    )


def _given_back(world: World, customer: str) -> None:
    coupon = world.v1.coupons.create({"percent_off": 10, "duration": "forever", "name": "Ten"})
    code = world.v1.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon.id}})
    discounted = world.subscribe(world.price("Basic", 500), discounts=[{"promotion_code": code.id}])
    world.v1.credit_notes.create({"invoice": discounted.latest_invoice, "amount": 100, "refund_amount": 100})
    world.v1.credit_notes.create({"invoice": discounted.latest_invoice, "amount": 100, "credit_amount": 100})
    world.v1.customers.tax_ids.create(customer, {"type": "eu_vat", "value": "FR12345678901"})


def _in_a_browser(world: World) -> None:
    items = [{"price": world.price("Basic", 500), "quantity": 1}]
    session = world.v1.checkout.sessions.create({"mode": "subscription", "line_items": items})
    requests.post(session.url, data={"number": "4242424242424242", "email": "a@palier.test"}, timeout=10)
    session = world.v1.checkout.sessions.create({"mode": "subscription", "line_items": items})
    customer = next(iter(world.state()["customers"]))
    world.v1.billing_portal.sessions.create({"customer": customer})
    world.v1.billing_portal.sessions.create(
        {"customer": customer, "flow_data": {"type": "payment_method_update"}}
    )
