"""The sample product's answer: what the sky shows about that which a question names.

Pure: the same text, language and instant give the same words. Nothing here is invented; all of it is the ephemeris.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from showcase.ephemeris import SUPPORTED_YEARS, Body, Position, Sign, moon_phase_at, position_of, positions_at
from showcase.questions import NoSuchDay, Question, YearOutOfRange, read_question
from showcase.words import ENGLISH, WORDS, Words


def answer(text: str, *, language: str, at: datetime) -> str:
    """The reply, some lines long, in French or English (any other language: English).

    Tells where the bodies stand that are named, what stands in the signs that are named, and the Moon's phase when
    asked for it. A question that names nothing gets the Sun, the Moon, her phase, and what runs backward.
    """
    words = WORDS.get(language, ENGLISH)
    try:
        question = read_question(text, language=language, at=at)
    except NoSuchDay:
        return words.no_such_day
    except YearOutOfRange:
        return words.year_out_of_range.format(first=SUPPORTED_YEARS[0], last=SUPPORTED_YEARS[-1])
    return "\n".join([_heading(question.at, words), *_lines(question, words)])


def _lines(question: Question, words: Words) -> Iterator[str]:
    if not (question.bodies or question.signs or question.phase):
        yield from _general_lines(question.at, words)
        return
    for body in question.bodies:
        yield _position_line(position_of(body, question.at), words)
    if question.signs:
        positions = positions_at(question.at)
        for sign in question.signs:
            yield _sign_line(sign, positions, words)
    if question.phase:
        yield _phase_line(question.at, words)


def _general_lines(at: datetime, words: Words) -> Iterator[str]:
    for position in positions_at(at):
        if position.body in {Body.SUN, Body.MOON} or position.retrograde:
            yield _position_line(position, words)
    yield _phase_line(at, words)


def _position_line(position: Position, words: Words) -> str:
    line = words.position_line.format(
        body=words.bodies[position.body],
        degree=position.degree,
        minute=position.minute,
        in_sign=words.in_sign[position.sign],
        retrograde=words.retrograde if position.retrograde else "",
    )
    return line[0].upper() + line[1:]


def _sign_line(sign: Sign, positions: tuple[Position, ...], words: Words) -> str:
    inside = [
        f"{words.bodies[position.body]} ({position.degree}°{position.minute:02}′)"
        for position in positions
        if position.sign is sign
    ]
    if not inside:
        return words.empty_sign_line.format(sign=words.signs[sign])
    return words.sign_line.format(sign=words.signs[sign], bodies=", ".join(inside))


def _phase_line(at: datetime, words: Words) -> str:
    phase = moon_phase_at(at)
    return words.phase_line.format(
        phase=words.phases[phase.name],
        lit=phase.lit_percent,
        full=_moment(phase.next_full_at, words),
        new=_moment(phase.next_new_at, words),
    )


def _heading(at: datetime, words: Words) -> str:
    return words.heading_line.format(date=_date(at, words), time=f"{at.astimezone(UTC):%H:%M}")


def _moment(at: datetime, words: Words) -> str:
    return f"{_date(at, words)}, {at:%H:%M}"


def _date(at: datetime, words: Words) -> str:
    utc = at.astimezone(UTC)
    day = words.first_of_month if utc.day == 1 else str(utc.day)
    return words.date.format(day=day, month=words.months[utc.month - 1], year=utc.year)
