"""Amounts, dates and durations as people read them. ~ stands for a non-breaking space."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone, translation
from django.utils.formats import number_format

from common import formats

NOW = datetime(2026, 11, 21, 13, 5, tzinfo=UTC)


def _shown(text: str) -> str:
    return text.replace("\u00a0", "~").replace("\u202f", "~")


@pytest.mark.parametrize(
    ("minor", "currency", "short", "english", "french"),
    [
        (2000, "eur", False, "€20.00", "20,00~€"),
        (2000, "eur", True, "€20", "20~€"),
        (2050, "eur", True, "€20.50", "20,50~€"),
        (-250, "eur", False, "−€2.50", "−2,50~€"),
        (5, "eur", False, "€0.05", "0,05~€"),
        (123456789, "eur", False, "€1,234,567.89", "1~234~567,89~€"),
        (2900, "usd", True, "$29", "29~$US"),
        (1500, "jpy", False, "JPY~1,500", "1~500~JPY"),
        (100, "chf", False, "CHF~1.00", "1,00~CHF"),
    ],
)
def test_money(minor, currency, short, english, french):
    with translation.override("en"):
        assert _shown(formats.money_text(minor, currency, short=short)) == english
    with translation.override("fr"):
        assert _shown(formats.money_text(minor, currency, short=short)) == french


@pytest.mark.parametrize(
    ("at", "english", "french"),
    [
        (datetime(2026, 12, 1, tzinfo=UTC), "1~December~2026", "1er~décembre~2026"),
        (datetime(2026, 12, 11, tzinfo=UTC), "11~December~2026", "11~décembre~2026"),
        (datetime(2026, 11, 30, 23, 30, tzinfo=UTC), "1~December~2026", "1er~décembre~2026"),
    ],
)
def test_dates_are_those_of_the_reader(at, english, french):
    with timezone.override("Europe/Paris"):
        with translation.override("en"):
            assert _shown(formats.date_text(at)) == english
        with translation.override("fr"):
            assert _shown(formats.date_text(at)) == french


@pytest.mark.parametrize(
    ("zone", "at", "english", "french", "utc"),
    [
        ("UTC", NOW + timedelta(hours=1), "today at 14:05", "aujourd’hui à 14~h~05", "14:05~UTC"),
        (
            "Europe/Paris",
            datetime(2026, 11, 22, tzinfo=UTC),
            "tomorrow at 01:00",
            "demain à 1~h~00",
            "00:00~UTC",
        ),
        (
            "America/New_York",
            datetime(2026, 11, 22, tzinfo=UTC),
            "today at 19:00",
            "aujourd’hui à 19~h~00",
            "22~November, 00:00~UTC",
        ),
        ("UTC", datetime(2026, 11, 20, 9, 0, tzinfo=UTC), "yesterday at 09:00", "hier à 9~h~00", "09:00~UTC"),
        (
            "UTC",
            datetime(2026, 12, 1, tzinfo=UTC),
            "1~December at 00:00",
            "le 1er~décembre à 0~h~00",
            "00:00~UTC",
        ),
        (
            "UTC",
            datetime(2027, 1, 2, tzinfo=UTC),
            "2~January~2027 at 00:00",
            "le 2~janvier~2027 à 0~h~00",
            "00:00~UTC",
        ),
    ],
)
@pytest.mark.req("QU-10")
def test_moments_in_the_readers_zone_and_in_utc(zone, at, english, french, utc):
    with timezone.override(zone):
        with translation.override("en"):
            assert _shown(formats.moment_text(at, now=NOW)) == english
            assert _shown(formats.utc_text(at, now=NOW)) == utc
        with translation.override("fr"):
            assert _shown(formats.moment_text(at, now=NOW)) == french


@pytest.mark.parametrize(
    ("delta", "english", "french"),
    [
        (timedelta(days=2, hours=4), "2~d 4~h", "2~j 4~h"),
        (timedelta(days=1), "1~d", "1~j"),
        (timedelta(hours=5, minutes=12), "5~h 12~min", "5~h 12~min"),
        (timedelta(minutes=12, seconds=59), "12~min", "12~min"),
        (timedelta(seconds=40), "40~s", "40~s"),
        (timedelta(seconds=-5), "0~s", "0~s"),
    ],
)
def test_durations(delta, english, french):
    with translation.override("en"):
        assert _shown(formats.duration_text(delta)) == english
    with translation.override("fr"):
        assert _shown(formats.duration_text(delta)) == french


@pytest.mark.parametrize(
    ("part", "whole", "share"),
    [(0, 5, "0%"), (999, 1000, "99%"), (5, 5, "100%"), (7, 5, "140%"), (0, 0, "100%")],
)
def test_a_hundred_per_cent_is_only_said_of_a_full_one(part, whole, share):
    with translation.override("en"):
        assert formats.percent_text(part, whole) == share


@pytest.mark.parametrize(
    ("delta", "text"),
    [
        (timedelta(seconds=3), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(hours=5), "5 hours ago"),
        (timedelta(days=2), "2 days ago"),
    ],
)
def test_ago(delta, text):
    with translation.override("en"):
        assert formats.ago_text(delta) == text


@pytest.mark.parametrize(
    ("price", "currency", "english", "french"),
    [
        ("2", "usd", "$0.02", "0,02~$US"),
        ("1.5", "usd", "$0.015", "0,015~$US"),
        ("0.000001", "eur", "€0.00000001", "0,00000001~€"),
        ("123456.25", "eur", "€1,234.5625", "1~234,5625~€"),
        ("0", "eur", "€0.00", "0,00~€"),
        ("0.5", "jpy", None, None),
    ],
)
def test_prices_of_one_unit(price, currency, english, french):
    with translation.override("en"):
        told = _shown(formats.price_text(Decimal(price), currency))
        assert told == english if english else "0.5" in told
    with translation.override("fr"):
        told = _shown(formats.price_text(Decimal(price), currency))
        assert told == french if french else "0,5" in told


@pytest.mark.parametrize("language", ["en", "fr", "fr-ca"])
def test_figures_are_grouped_as_django_groups_them(language):
    values = [0, 7, 999, 1000, 123456, 10**12, 2**63 - 1, -1, -1234567]
    with translation.override(language):
        assert formats.number_texts(values) == [number_format(one, force_grouping=True) for one in values]


def test_many_moments_are_written_as_one_is():
    """Over an hour that comes twice, at the end of summer time, too."""
    ats = [datetime(2026, 10, 24, 12, tzinfo=UTC) + timedelta(minutes=30 * n) for n in range(80)]
    now = datetime(2026, 10, 25, 13, 5, tzinfo=UTC)
    for language in ("en", "fr"):
        with translation.override(language), timezone.override("Europe/Paris"):
            assert formats.moment_texts(ats, now=now) == [formats.moment_text(at, now=now) for at in ats]


@pytest.mark.parametrize(
    ("day", "english", "french"),
    [
        (datetime(2026, 2, 3), ("3~Feb", "Feb"), ("3~fév.", "fév.")),
        (datetime(2026, 5, 1), ("1~May", "May"), ("1~mai", "mai")),
        (datetime(2027, 1, 1), ("1~Jan", "Jan~2027"), ("1~jan.", "jan.~2027")),
    ],
)
def test_days_and_months_of_an_axis(day, english, french):
    for language, texts in (("en", english), ("fr", french)):
        with translation.override(language):
            shown = (formats.short_day_text(day), formats.month_text(day, short=True))
            assert tuple(map(_shown, shown)) == texts


@pytest.mark.parametrize(
    ("total", "parts", "english", "french"),
    [
        (0, 30, "0", "0"),
        (1, 30, "<~0.1", "<~0,1"),
        (5, 30, "0.2", "0,2"),
        (30, 30, "1", "1"),
        (299, 30, "10", "10"),
        (444, 30, "15", "15"),
    ],
)
def test_a_mean_of_little_is_not_nothing(total: int, parts: int, english: str, french: str):
    with translation.override("en"):
        assert _shown(formats.mean_text(total, parts)) == english
    with translation.override("fr"):
        assert _shown(formats.mean_text(total, parts)) == french


def test_an_instant_is_whole_whenever_it_is_read():
    with timezone.override("Europe/Paris"), translation.override("en"):
        assert _shown(formats.instant_text(NOW)) == "21~November~2026 at 14:05 (CET)"
    with timezone.override("Europe/Paris"), translation.override("fr"):
        assert _shown(formats.instant_text(NOW)) == "le 21~novembre~2026 à 14~h~05 (CET)"
