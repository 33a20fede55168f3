"""Quotas as they stand on a page: names, shares and states in words, made from the meter's bounds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from billing.pages.words import Names, window_heading
from common.formats import moment_text, number_text, percent_text
from quotas.enums import Mode, Source, Window
from quotas.pace import pace_of
from quotas.values import NEAR_SHARE, Bound

FULL = 100


@dataclass(frozen=True)
class Meter:
    """One quota. `share`: whole per cent of the limit, at most 100; None where unlimited.

    `state` is the meter's own, but that it is near from the lowest of the reader's own alerts on. `alert`: the highest
    of those that it has passed.
    `raised_until`: support has raised it until then. `pace` says where its use will be at the window's end; its tone is `near` when that is past the limit.
    """

    metric: str
    window: str
    name: str
    heading: str
    used: int
    limit: int | None
    remaining: int | None
    reserved: int
    overage_units: int
    share: int | None
    state: str
    reset_at: datetime | None
    charges: bool
    source: str
    raised_until: datetime | None = None
    pace: str = ""
    pace_tone: str = ""
    by_credits: bool = False
    alert: int | None = None

    @property
    def key(self) -> str:
        """Unique on the page."""
        return f"{self.metric}-{self.window}"

    @property
    def rest(self) -> int:
        """What is left of the bar, in per cent."""
        return FULL - (self.share or 0)

    @property
    def has_bar(self) -> bool:
        """Whether there is a limit to have a share of; where credits pay for all of it there is none."""
        return self.limit is not None and not (self.by_credits and self.limit == 0)

    @property
    def tone(self) -> str:
        """How it looks. Past a limit that charges nothing is refused: to be seen, but no alarm."""
        return "near" if self.charges and self.state == "reached" else self.state

    @property
    def near_text(self) -> str:
        """What is said of a limit that is near: below the share that is near for everybody, which alert was passed."""
        if self.alert is None or (self.share or 0) >= NEAR_SHARE * FULL:
            return _("Nearly used up")
        return _("Past your alert at %(share)s") % {"share": percent_text(self.alert, FULL)}

    @property
    def is_capacity(self) -> bool:
        return self.window == Window.CAPACITY

    @property
    def value_text(self) -> str:
        """What a screen reader says of the bar."""
        if self.limit is None:
            return _("%(used)s used, no limit") % {"used": number_text(self.used)}
        return _("%(used)s of %(limit)s used, %(share)s") % {
            "used": number_text(self.used),
            "limit": number_text(self.limit),
            "share": percent_text(self.share or 0, FULL),
        }


def meter_of(bound: Bound, names: Names, *, now: datetime | None = None, alerts: Sequence[int] = ()) -> Meter:
    """Without `now` nothing is said of the pace. `alerts`: the percentages at which the reader wants to be told."""
    pace, tone = _pace(bound, now) if now else ("", "")
    return Meter(
        metric=bound.metric,
        window=bound.window,
        name=names.get(bound.metric, bound.metric),
        heading=window_heading(bound.window),
        used=bound.used,
        limit=bound.limit,
        remaining=bound.remaining,
        reserved=bound.reserved,
        overage_units=bound.overage_units,
        share=_share(bound.used + bound.reserved, bound.limit),
        state=_state(bound, alerts),
        reset_at=bound.reset_at,
        charges=bound.mode == Mode.OVERAGE,
        source=str(Source(bound.source).label),
        raised_until=bound.until if bound.source == Source.OVERRIDE else None,
        pace=pace,
        pace_tone=tone,
        by_credits=bound.mode == Mode.CREDITS,
        alert=max((alert for alert in alerts if _passed(bound, alert)), default=None),
    )


def meters_of(
    bounds: Iterable[Bound], names: Names, *, now: datetime | None = None, alerts: Sequence[int] = ()
) -> list[Meter]:
    """One for each bound, metrics in the catalogue's order, the shortest window of each first."""
    order = {code: index for index, code in enumerate(names)}
    ranked = sorted(bounds, key=lambda bound: order.get(bound.metric, len(order)))
    return [meter_of(bound, names, now=now, alerts=alerts) for bound in ranked]


def _pace(bound: Bound, now: datetime) -> tuple[str, str]:
    """Nothing where a limit is reached that refuses: use cannot go on as until now."""
    if bound.limit is not None and bound.mode == Mode.BLOCK and bound.used >= bound.limit:
        return "", ""
    pace = pace_of(
        used=bound.used, limit=bound.limit, starts_at=bound.starts_at, ends_at=bound.reset_at, at=now
    )
    if pace is None:
        return "", ""
    words = {"units": number_text(pace.units)}
    if pace.reached_at is not None and bound.mode != Mode.CREDITS:
        words["moment"] = moment_text(pace.reached_at, now=now)
        if bound.mode == Mode.OVERAGE:
            return _(
                "At this pace %(units)s by then; what is past the limit, from %(moment)s on, is charged."
            ) % words, "near"
        return _("At this pace the limit is reached %(moment)s.") % words, "near"
    return _("At this pace %(units)s by then.") % words, ""


def _state(bound: Bound, alerts: Sequence[int]) -> str:
    """Who has set alerts is warned from the lowest on; who has set none, from the meter's own share on."""
    if bound.state == "reached" or bound.limit is None or bound.mode == Mode.CREDITS or not alerts:
        return bound.state
    return "near" if _passed(bound, min(alerts)) else "ok"


def _passed(bound: Bound, alert: int) -> bool:
    return bound.limit is not None and (bound.used + bound.reserved) * FULL >= bound.limit * alert


def _share(taken: int, limit: int | None) -> int | None:
    if limit is None:
        return None
    return min(taken * FULL // limit, FULL) if limit else FULL
