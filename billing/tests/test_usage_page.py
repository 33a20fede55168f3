"""The page of use: what it shows, what stands in its address, what its files hold."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from django import forms
from django.test import Client

from accounts.models import Account, User
from accounts.pages.thresholds import ThresholdsField
from accounts.tests.factories import account_of, make_person
from billing.pages.usage import keys as usage_keys
from billing.pages.usage.filters import filters_of, presets_of
from billing.pages.usage.keys import Key
from billing.tests.conftest import person
from billing.tests.helpers import nobody
from billing.tests.test_pages import browser_of
from common.clock import database_now
from quotas.by_key import usage_by_key
from quotas.errors import UnknownMetric
from quotas.past_use import PastUse, past_use_add
from quotas.reports import Granularity
from quotas.services import usage_consume
from sandbox.stripe import StripeStandIn

pytestmark = [pytest.mark.django_db, pytest.mark.req("AC-4", "QU-10", "QU-13")]
PAGE = "/account/usage/"
BAR = re.compile(r'role="img" aria-label="([^"]+)"')


def used(account: Account, *uses: tuple[int, int, int | None]) -> datetime:
    """(days ago, units, key) at noon of each day."""
    now = database_now()
    noon = now.replace(hour=12, minute=0, second=0, microsecond=0)
    past_use_add(
        account_id=account.pk,
        metric="messages",
        uses=[PastUse(noon - timedelta(days=days), units, key) for days, units, key in uses],
        subject="=1+1",
        now=now,
    )
    return now


def rows_of(answer) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))


@pytest.fixture
def named_keys(monkeypatch: pytest.MonkeyPatch) -> list[Key]:
    """Three keys of every account."""
    keys = [Key(n, uuid4(), name) for n, name in ((1, "Shop <b>"), (2, "=Till"), (3, "Unused"))]
    monkeypatch.setattr(usage_keys, "_providers", [lambda _account_id: keys])
    return keys


def test_thirty_days_are_shown_and_equal_what_was_used(catalog: StripeStandIn):
    account = person()
    now = used(account, (1, 7, None), (2, 5, None), (29, 3, None), (30, 100, None))
    answer = browser_of(account).get(PAGE)
    html = answer.content.decode()
    assert answer.status_code == 200
    bars = BAR.findall(html)
    assert len(bars) == 30
    assert [int(bar.rsplit(": ")[1]) for bar in bars if not bar.endswith(": 0")] == [3, 5, 7]
    assert "so far" in bars[-1]
    assert "<dt>In all</dt><dd>15<small>" in html
    assert "85% less than in the 30 days before" in html
    assert f"to={now.date()}" in html


def test_what_is_asked_for_stands_in_the_address_and_in_the_fields(catalog: StripeStandIn):
    account = person()
    used(account, (1, 7, None))
    yesterday = (database_now() - timedelta(days=1)).date()
    client = browser_of(account)
    html = client.get(
        f"{PAGE}?metric=messages&granularity=hour&from={yesterday}&to={yesterday}"
    ).content.decode()
    bars = BAR.findall(html)
    assert len(bars) == 24
    assert [bar for bar in bars if not bar.endswith(": 0")] == ["yesterday at 12:00: 7"]
    assert f'name="from" value="{yesterday}"' in html
    assert '<option value="hour" selected>' in html
    link = re.search(r'href="(/account/usage/shown\.csv\?[^"]+)"', html)
    assert link is not None
    asked = {name: one for name, (one,) in parse_qs(urlsplit(link[1].replace("&amp;", "&")).query).items()}
    assert asked == {
        "metric": "messages",
        "granularity": "hour",
        "from": str(yesterday),
        "to": str(yesterday),
    }
    rows = rows_of(client.get(link[1].replace("&amp;", "&")))
    assert len(rows) == 24
    assert [row for row in rows if row["units"] != "0"] == [
        {"start": f"{yesterday}T12:00:00Z", "metric": "messages", "key": "", "units": "7"}
    ]


def test_the_hours_are_the_readers(catalog: StripeStandIn):
    account = person()
    User.objects.filter(pk=account.personal_owner_id).update(timezone="Asia/Kolkata", language="fr")
    used(account, (3, 7, None))
    day = (database_now() - timedelta(days=3)).date()
    account.personal_owner.refresh_from_db()
    html = browser_of(account).get(f"{PAGE}?granularity=hour&from={day}&to={day}").content.decode()
    assert "à 17\u00a0h\u00a030\u00a0: 7" in html
    assert "(Asia/Kolkata)" in html


def test_days_to_come_are_no_zeros(catalog: StripeStandIn):
    account = person()
    today = database_now().date()
    html = browser_of(account).get(f"{PAGE}?from={today}&to={today + timedelta(days=2)}").content.decode()
    bars = BAR.findall(html)
    assert [bar.split(": ")[1] for bar in bars] == ["0", "no figure", "no figure"]
    assert all("still to come" in bar for bar in bars[1:])


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("metric=nonsense", "metric"),
        ("metric=personas", "metric"),
        ("metric=%00", "metric"),
        ("granularity=week", "granularity"),
        ("from=2026-13-01", "from"),
        ("from=zzz", "from"),
        ("to=1066-10-14", "to"),
        ("from=0001-01-01&granularity=month", "from"),
        ("to=9999-12-31", "to"),
        ("from=2026-05-02&to=2026-05-01", "to"),
        ("granularity=hour&from=2026-01-01&to=2026-01-15", "from"),
        ("from=2020-01-01&to=2026-01-01", "from"),
        ("credential=00000000-0000-4000-8000-000000000000", "credential"),
        ("credential=1", "credential"),
    ],
)
def test_what_cannot_be_shown_is_said_at_its_field_and_kept(catalog: StripeStandIn, query: str, field: str):
    client = browser_of(person())
    answer = client.get(f"{PAGE}?{query}")
    html = answer.content.decode()
    assert answer.status_code == 422
    if field != "credential":  # somebody without keys has no field for them
        assert f'id="error_{field}"' in html
    assert 'role="alert"' in html
    assert "<figure" not in html
    for name, (value,) in parse_qs(query).items():
        if name in ("from", "to"):
            assert f'name="{name}" value="{value}"' in html
    for file in ("shown", "operations"):
        assert client.get(f"{PAGE}{file}.csv?{query}").status_code == 422


def test_by_key(catalog: StripeStandIn, named_keys: list[Key]):
    account = person()
    used(account, (1, 7, 1), (1, 20, 2), (2, 5, 1), (2, 1, 99), (3, 4, None))
    client = browser_of(account)
    html = client.get(PAGE).content.decode()
    assert "(=Till 20, Shop &lt;b&gt; 7)" in html
    assert "Shop <b>" not in html
    assert "A key that is gone" in html
    assert "Without a key" in html
    rows = rows_of(client.get(f"{PAGE}shown.csv"))
    assert len(rows) == 30 * 4
    assert {row["key"] for row in rows} == {"Shop <b>", "'=Till", "", "A key that is gone"}
    assert sum(int(row["units"]) for row in rows) == 37

    mine = f"credential={named_keys[0].public_id}"
    html = client.get(f"{PAGE}?{mine}").content.decode()
    assert "<dt>In all</dt><dd>12<small>" in html
    assert f'<option value="{named_keys[0].public_id}" selected>' in html
    rows = rows_of(client.get(f"{PAGE}operations.csv?{mine}"))
    assert [(row["units"], row["key"], row["subject"]) for row in rows] == [
        ("7", "Shop <b>", "'=1+1"),
        ("5", "Shop <b>", "'=1+1"),
    ]
    empty = client.get(f"{PAGE}?credential={named_keys[2].public_id}").content.decode()
    assert "Nothing was used in this time." in empty


def test_every_operation_of_the_time_shown_is_in_the_file(catalog: StripeStandIn):
    account, other = person(), person()
    used(account, *((days, days, None) for days in range(1, 40)))
    used(other, (1, 1000, None))
    client = browser_of(account)
    rows = rows_of(client.get(f"{PAGE}operations.csv"))
    assert [int(row["units"]) for row in rows] == list(range(1, 30))
    assert len({row["id"] for row in rows}) == 29


def test_the_page_reads_no_records(catalog: StripeStandIn, django_assert_max_num_queries):
    account = person()
    used(account, (1, 7, None), (60, 7, None))
    usage_consume(account_id=account.pk, metric="messages", units=1)
    client = browser_of(account)
    client.get(PAGE)
    with django_assert_max_num_queries(30) as captured:
        assert client.get(f"{PAGE}?granularity=month").status_code == 200
    touching = [one["sql"] for one in captured.captured_queries if "quotas_usagerecord" in one["sql"]]
    # The status of limits names records only for windows that have no counter yet, which these have.
    assert all("LEFT JOIN LATERAL" in sql for sql in touching)


def test_thresholds_of_ones_own(catalog: StripeStandIn):
    account = person()
    client = browser_of(account)
    assert 'value="80, 95"' in client.get(PAGE).content.decode()
    answer = client.post(f"{PAGE}thresholds/?granularity=month", {"usage_thresholds": "90 %, 50,50"})
    assert (answer.status_code, answer["Location"]) == (302, f"{PAGE}?granularity=month")
    user = User.objects.get(pk=account.personal_owner_id)
    assert user.usage_thresholds == [50, 90]
    refused = client.post(f"{PAGE}thresholds/", {"usage_thresholds": "0, 120"})
    assert refused.status_code == 422
    assert 'value="0, 120"' in refused.content.decode()
    user.refresh_from_db()
    assert user.usage_thresholds == [50, 90]


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("80 ; 95 %", [80, 95]), ("95 80", [80, 95]), ("50%,,", [50]), (" ", []), ("", [])],
)
def test_thresholds_as_people_type_them(typed: str, kept: list[int]):
    assert ThresholdsField().clean(typed) == kept


@pytest.mark.parametrize("typed", ["80.5", "0", "101", "-5", "eighty", "1 2 3 4 5 6", "٨٠", "8\x000"])
def test_what_is_no_threshold_is_refused(typed: str):
    with pytest.raises(forms.ValidationError):
        ThresholdsField().clean(typed)


@pytest.mark.parametrize(("typed", "said"), [("90", "at these percentages"), ("", "and not before")])
def test_what_saving_thresholds_means_is_said(catalog: StripeStandIn, typed: str, said: str):
    client = browser_of(person())
    assert (
        said in client.post(f"{PAGE}thresholds/", {"usage_thresholds": typed}, follow=True).content.decode()
    )


def test_the_pace_and_the_reset_are_said(catalog: StripeStandIn, monkeypatch: pytest.MonkeyPatch):
    account = person()
    usage_consume(account_id=account.pk, metric="messages", units=3)
    html = browser_of(account).get(PAGE).content.decode()
    assert 'class="countdown"' in html
    assert "UTC" in html


def test_who_has_no_plan_still_sees_what_was_used(catalog: StripeStandIn):
    account = nobody(person())
    used(account, (1, 7, None))
    html = browser_of(account).get(PAGE).content.decode()
    assert "No limits yet" in html
    assert "<dt>In all</dt><dd>7<" in html


def test_strangers_sign_in_and_staff_are_told(catalog: StripeStandIn, client: Client):
    for path in (PAGE, f"{PAGE}shown.csv", f"{PAGE}operations.csv"):
        answer = client.get(path)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/accounts/login/")
    staff = User.objects.create_user("ops-usage@palier.test", "x", is_staff=True)
    client.force_login(staff)
    assert client.get(PAGE).status_code == 403


def test_a_product_that_counts_nothing_has_no_chart(db: None):
    client = browser_of(account_of(make_person(now=database_now())))
    answer = client.get(PAGE)
    assert answer.status_code == 200
    assert "<figure" not in answer.content.decode()
    assert client.get(f"{PAGE}shown.csv").status_code == UnknownMetric.status


TODAY = date(2026, 3, 30)


@pytest.mark.parametrize(
    ("query", "first", "last", "granularity"),
    [
        ({}, date(2026, 3, 1), TODAY, "day"),
        ({"granularity": "hour"}, TODAY, TODAY, "hour"),
        ({"granularity": "month"}, date(2025, 4, 1), TODAY, "month"),
        ({"from": "2026-03-20"}, date(2026, 3, 20), TODAY, "day"),
        ({"to": "2026-02-10"}, date(2026, 1, 12), date(2026, 2, 10), "day"),
        ({"from": "2026-04-20"}, date(2026, 4, 20), date(2026, 4, 20), "day"),
        ({"granularity": "month", "from": "2026-01-31"}, date(2026, 1, 1), TODAY, "month"),
        ({"metric": "", "from": "", "to": ""}, date(2026, 3, 1), TODAY, "day"),
    ],
)
def test_what_is_not_said_is_filled_in(query, first, last, granularity):
    found = filters_of(query, metrics=["messages"], metric="messages", today=TODAY, keys=[])
    assert not found.errors
    assert (found.first, found.last, found.granularity) == (first, last, granularity)


def test_usual_times_end_today_and_mark_the_one_that_is_shown():
    found = filters_of({}, metrics=["messages"], metric="messages", today=TODAY, keys=[])
    presets = presets_of(found, today=TODAY)
    assert [one.name for one in presets if one.is_chosen] == ["month"]
    for preset in presets:
        query = {name: value for name, (value,) in parse_qs(preset.address).items() if name != "metric"}
        again = filters_of(query, metrics=["messages"], metric="messages", today=TODAY, keys=[])
        assert not again.errors
        assert again.last == TODAY
        assert [one.name for one in presets_of(again, today=TODAY) if one.is_chosen] == [preset.name]
    year = parse_qs(presets[-1].address)
    assert year["from"] == ["2025-04-01"]


def test_the_figures_are_the_days(catalog: StripeStandIn):
    account = person()
    used(account, *((n, n * 3 + 1, n % 2 or None) for n in range(1, 50)))
    today = datetime.now(UTC).date()
    split = usage_by_key(
        account_id=account.pk,
        metric="messages",
        first=today - timedelta(days=60),
        last=today,
        granularity=Granularity.MONTH,
    )
    assert split.total == sum(n * 3 + 1 for n in range(1, 50))
