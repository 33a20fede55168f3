"""Every component in every state, for whoever draws them. Served only with DEBUG; all its figures are examples."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from billing.pages import design_more
from billing.pages.changes import ChangeRow
from billing.pages.meters import Meter
from billing.pages.offers import chosen_interval, offers
from billing.pages.plan_now import Charge, Pending, PlanNow, Waiting
from billing.pages.plans import Choice, comparison
from billing.pages.previews import Kept, LimitChange, PreviewPage, TooMuch, confirm_text
from billing.pages.problems import Problem
from billing.pages.refusals import Refusal, WayOn
from common.charts import HOUR_STEPS, Chart, Place, Reference, Series, chart_of

NOW = datetime(2026, 11, 21, 13, 5, tzinfo=UTC)
TOMORROW = datetime(2026, 11, 22, tzinfo=UTC)
NEXT = datetime(2026, 12, 3, tzinfo=UTC)


def euro(minor: int) -> dict[str, Any]:
    return {"amount_minor": minor, "currency": "eur"}


METER = Meter(
    metric="messages",
    window="day",
    name="Messages",
    heading="today",
    used=312,
    limit=1000,
    remaining=688,
    reserved=0,
    overage_units=0,
    share=31,
    state="ok",
    reset_at=TOMORROW,
    charges=False,
    source="plan",
)
NEAR = replace(METER, metric="near", used=48, limit=50, remaining=1, reserved=1, share=98, state="near")
REACHED = replace(METER, metric="reached", used=5, limit=5, remaining=0, share=100, state="reached")
METERS = [
    METER,
    NEAR,
    REACHED,
    replace(METER, metric="unlimited", limit=None, remaining=None, share=None),
    replace(
        METER,
        metric="personas",
        window="capacity",
        name="Personas",
        heading="in total",
        used=1,
        limit=3,
        remaining=2,
        share=33,
        reset_at=None,
    ),
    replace(
        METER,
        metric="over",
        used=130,
        limit=100,
        remaining=0,
        overage_units=30,
        share=100,
        state="reached",
        charges=True,
    ),
]
PLAN_NOW = PlanNow(
    code="premium",
    name="Premium",
    interval="month",
    price=euro(2000),
    is_free=False,
    status_text="active",
    tone="ok",
    is_overdue=False,
    is_degraded=False,
    period_start=datetime(2026, 11, 3, tzinfo=UTC),
    period_end=NEXT,
    trial_end=None,
    next_charge=Charge(euro(2000), NEXT),
    pending=None,
    in_progress="",
)
PENDING = Pending("Premium", "Basic", NEXT, can_undo=True)
PLANS_NOW = [
    PLAN_NOW,
    replace(PLAN_NOW, pending=PENDING, next_charge=Charge(euro(500), NEXT)),
    replace(PLAN_NOW, status_text="payment overdue", tone="bad", is_overdue=True),
    replace(PLAN_NOW, in_progress="Premium"),
    replace(PLAN_NOW, status_text="trial", is_trial=True, trial_end=NEXT, next_charge=Charge(None, NEXT)),
    replace(PLAN_NOW, name="Free", price=euro(0), is_free=True, next_charge=None, period_end=None),
]
UPGRADE = PreviewPage(
    from_name="Basic",
    to_name="Premium",
    is_now=True,
    effective_at=NOW,
    due_now=euro(750),
    lines=[
        {"description": "Unused time on Basic, until 3 December 2026", **euro(-250)},
        {"description": "Premium, from 21 November 2026 to 3 December 2026", **euro(1000)},
    ],
    next_invoice=Charge(euro(2000), NEXT),
    confirm_text=confirm_text(euro(750), effective_at=None),
    quote="",
    quote_expires_at=NOW + timedelta(minutes=30),
    quota_changes=[
        LimitChange("Messages", "50 a day", "1,000 a day", "up", 48),
        LimitChange("Personas", "3 in total", "20 in total", "up", 2),
    ],
    features_won=["Persona export"],
    card="Visa ending in 4242",
)
DOWNGRADE = replace(
    UPGRADE,
    from_name="Premium",
    to_name="Basic",
    is_now=False,
    effective_at=NEXT,
    due_now=euro(0),
    lines=[],
    next_invoice=Charge(euro(500), NEXT),
    confirm_text=confirm_text(euro(0), effective_at=NEXT),
    quota_changes=[LimitChange("Messages", "1,000 a day", "50 a day", "down", 312)],
    features_won=[],
    features_lost=["Persona export"],
    exceeding=[
        TooMuch(
            "Personas",
            5,
            3,
            "3 in total",
            "2 are archived at the switch: they are kept, but cannot be used.",
            tuple(Kept(str(n), f"Persona {n}", checked=n in (1, 2, 3)) for n in range(1, 6)),
        )
    ],
)
CHANGES = [
    ChangeRow("Basic to Premium", NOW, "done", "ok", "", euro(750)),
    ChangeRow("Premium to Basic", NOW - timedelta(days=1), "scheduled", "", "for 3 December 2026", None),
    ChangeRow("Free to Basic", NOW - timedelta(days=9), "failed", "bad", "the payment was refused", None),
]


def example_charts() -> list[Chart]:
    """Days with a gap and a limit, hours of several keys, one month, nothing, huge figures."""
    days = [Place(f"{n} November 2026", f"{n} Nov", "so far" if n == 21 else "") for n in range(1, 22)]  # noqa: PLR2004
    daily = [None if n in (5, 6) else n * 37 % 61 + n for n in range(21)]
    hours = [Place(f"{n}:00", f"{n % 24}:00") for n in range(48)]
    keys = [Series(f"Key {k}", [n * k * 13 % 29 + k for n in range(48)]) for k in range(1, 7)]
    month = [Place("November 2026", "Nov 2026")]
    return [
        chart_of(
            key="days",
            title="Messages by day",
            unit="Messages",
            places=days,
            series=[Series("Messages", daily)],
            reference=Reference("Limit a day", 90),
        ),
        chart_of(
            key="hours", title="Calls by key", unit="Calls", places=hours, series=keys, label_steps=HOUR_STEPS
        ),
        chart_of(key="one", title="One month", unit="Calls", places=month, series=[Series("Calls", [5])]),
        chart_of(
            key="none", title="Nothing", unit="Calls", places=days, series=[Series("Calls", [0] * len(days))]
        ),
        chart_of(
            key="huge",
            title="Huge figures",
            unit="Calls",
            places=days,
            series=[Series("Calls", [n * 10**12 for n in range(len(days))])],
        ),
    ]


class ExampleForm(forms.Form):
    """One field of each kind, one of them wrong."""

    email = forms.EmailField(label="Email", help_text="We write only about your account.")
    password = forms.CharField(label="Password", widget=forms.PasswordInput)
    note = forms.CharField(label="Note", widget=forms.Textarea, required=False)
    agree = forms.BooleanField(label="I have read this")


@require_safe
def design(request: HttpRequest) -> HttpResponse:
    for level, text in (
        (messages.SUCCESS, "Done."),
        (messages.WARNING, "Look."),
        (messages.ERROR, "Stopped."),
    ):
        messages.add_message(request, level, f"{text} A message stands here after a redirect.")
    interval = chosen_interval(request)
    states = (("", False, False), ("up", True, False), ("up", False, True), ("down", False, False))
    choices = [
        Choice(offer, is_current=current, is_next=following, move=move, blocked="")
        for offer, (move, current, following) in zip(offers(interval), states, strict=False)
    ]
    context: dict[str, Any] = {
        "now": NOW,
        "meters": METERS,
        "charts": example_charts(),
        "plans_now": PLANS_NOW,
        "code": {"typed": "LANDING", "error": "There is no such code. Check how it is spelt."},
        "waiting": Waiting(UUID(int=0), "Premium", NEXT),
        "pending": PENDING,
        "previews": [UPGRADE, DOWNGRADE],
        "changes": CHANGES,
        "offers": choices,
        "comparison": comparison(choices),
        "interval": interval,
        "refusal": Refusal(REACHED, (NEAR,), 1, (WayOn("upgrade", "Go up to Basic", "#"),)),
        "problem": Problem(
            "The payment did not go through.", "The bank refused the card.", card="Use another card"
        ),
        "form": ExampleForm({"email": "not an address"}),
        "crumbs": [("Plans", "#"), ("Premium", "")],
        "swatches": ("paper", "surface", "sunken", "ink", "muted", "accent", "sun", "ok", "near", "bad"),
    }
    return render(request, "pages/design.html", context | design_more.context(NOW))
