"""What the oracle reads in a question, and what it answers."""

from datetime import UTC, datetime

import pytest

from showcase.ephemeris import Body, Sign
from showcase.oracle import answer
from showcase.questions import NoSuchDay, YearOutOfRange, read_question

NOW = datetime(2024, 4, 8, 18, 21, tzinfo=UTC)


def read(text, language="en"):
    return read_question(text, language=language, at=NOW)


@pytest.mark.parametrize(
    ("text", "bodies"),
    [
        ("Where is Venus?", (Body.VENUS,)),
        ("Où est Vénus ?", (Body.VENUS,)),
        ("the moon and MARS", (Body.MOON, Body.MARS)),
        ("la Lune, le soleil, la lune encore", (Body.MOON, Body.SUN)),
        ("Pluton et Saturne", (Body.PLUTO, Body.SATURN)),
        ("sunday, marsh, lunettes", ()),
    ],
)
def test_bodies_in_the_order_named(text, bodies):
    assert read(text).bodies == bodies


@pytest.mark.parametrize(
    ("text", "language", "signs"),
    [
        ("what about Leo and scorpio?", "en", (Sign.LEO, Sign.SCORPIO)),
        ("les Gémeaux et le Bélier", "fr", (Sign.GEMINI, Sign.ARIES)),
        ("Balance et Lion", "fr", (Sign.LIBRA, Sign.LEO)),
        ("what is my balance", "en", ()),
        ("le Capricorne", "en", (Sign.CAPRICORN,)),
    ],
)
def test_signs(text, language, signs):
    assert read(text, language).signs == signs


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2027-01-31", "2027-01-31"),
        ("le 31/01/2027", "2027-01-31"),
        ("the 1st of March 2025", "2025-03-01"),
        ("March 12th, 2025", "2025-03-12"),
        ("le 1er février 2025", "2025-02-01"),
        ("le 12 août", "2024-08-12"),
        ("tomorrow", "2024-04-09"),
        ("et hier", "2024-04-07"),
    ],
)
def test_a_day_that_is_named_is_meant_at_noon(text, day):
    assert read(text).at == datetime.fromisoformat(f"{day}T12:00:00+00:00")


def test_without_a_day_the_present_instant_is_meant():
    assert read("aujourd’hui, Vénus").at == NOW


def test_mars_after_a_day_is_a_month():
    assert read("la lune le 12 mars 2025", "fr").bodies == (Body.MOON,)
    assert read("Mars le 12 mars 2025", "fr").bodies == (Body.MARS,)


@pytest.mark.parametrize(
    "text",
    ["When is the full moon?", "la pleine lune ?", "quelle phase", "next new moon", "premier quartier"],
)
def test_the_phase(text):
    question = read(text)
    assert question.phase
    assert question.bodies == ()


@pytest.mark.parametrize("text", ["2025-02-29", "30 février 2024", "0/1/2024", "June 31"])
def test_days_that_do_not_exist(text):
    with pytest.raises(NoSuchDay):
        read(text)


@pytest.mark.parametrize("text", ["1599-12-31", "1 January 2400"])
def test_years_outside_of_the_ephemeris(text):
    with pytest.raises(YearOutOfRange):
        read(text)


def test_a_reply_in_english():
    assert answer("Where is Mercury, and who is in Pisces?", language="en", at=NOW) == (
        "On 8 April 2024 at 18:21 UTC:\n"
        "Mercury stands at 24°47′ in Aries, retrograde.\n"
        "Pisces: Mars (13°03′), Saturn (14°27′), Neptune (28°11′)."
    )


def test_a_reply_in_french():
    assert answer("Le Soleil et la phase, le 1er mars 2024 ?", language="fr", at=NOW) == (
        "Le 1er mars 2024 à 12:00 UTC\u00a0:\n"
        "Le Soleil se trouve à 11°23′ des Poissons.\n"
        "Lune\u00a0: gibbeuse décroissante, éclairée à 71\u00a0%. "
        "Pleine le 25 mars 2024, 07:01 UTC, nouvelle le 10 mars 2024, 09:01 UTC."
    )


def test_a_question_that_names_nothing_gets_the_sky_of_the_moment():
    lines = answer("Hello!", language="en", at=NOW).splitlines()
    assert lines[1].startswith("The Sun stands at 19°24′ in Aries")
    assert lines[2].startswith("The Moon stands at 19°24′ in Aries")
    assert lines[3] == "Mercury stands at 24°47′ in Aries, retrograde."
    assert lines[-1].startswith("Moon: new, 0% lit. Full on 23 April 2024, 23:50 UTC")


def test_an_empty_sign_is_said_to_be_empty():
    assert answer("Virgo", language="en", at=NOW).endswith("Virgo: nothing stands there.")
    assert answer("la Vierge", language="fr", at=NOW).endswith("Vierge\u00a0: aucun astre.")


def test_impossible_days_are_answered_in_words():
    assert answer("the 30th of February", language="en", at=NOW) == "There is no such day in the calendar."
    assert "1600" in answer("le 2 mai 1492", language="fr", at=NOW)


def test_the_same_question_at_the_same_instant_gets_the_same_reply():
    replies = {answer("Venus, Leo, phase, 2030-05-05", language="fr", at=NOW) for _ in range(3)}
    assert len(replies) == 1
