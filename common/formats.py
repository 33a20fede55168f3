"""How amounts, dates, durations and shares are written for people, in French and English.

Pure functions of a value and the active language. French has its own spaces: a non-breaking one before the
currency and the percent sign, and between thousands.
"""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache

from django.utils import dateformat, timezone
from django.utils.formats import get_format
from django.utils.translation import get_language, ngettext, pgettext
from django.utils.translation import gettext as _

NBSP = "\u00a0"
SYMBOLS = {"eur": "€", "usd": "$", "gbp": "£"}
FRENCH_SYMBOLS = {"usd": "$US", "gbp": "£GB"}
WITHOUT_DECIMALS = frozenset({"jpy", "krw", "xof", "xaf", "clp", "vnd"})


def is_french() -> bool:
    return (get_language() or "en").startswith("fr")


def number_text(value: int) -> str:
    """1,000 or 1 000."""
    return number_texts([value])[0]


def number_texts(values: Iterable[int]) -> list[str]:
    """Many at once: a table has thousands, and Django's own number_format takes ten times as long for each."""
    thousands = _thousands(get_language() or "en")
    return [f"{value:,}".replace(",", thousands) for value in values]


@cache
def _thousands(language: str) -> str:
    return str(get_format("THOUSAND_SEPARATOR", language))


def compact_text(value: int) -> str:
    """For the axis of a chart: 950, 12k, 1.5M, 2B, 2T; 12 k, 1,5 M, 2 Md, 2 Bn. Two decimals, rounded down."""
    french = is_french()
    units = (
        (10**12, "Bn" if french else "T"),
        (10**9, "Md" if french else "B"),
        (10**6, "M"),
        (10**3, "k"),
    )
    for unit, sign in units:
        if value >= unit:
            whole, rest = divmod(value * 100 // unit, 100)
            decimals = f"{rest:02}".rstrip("0")
            digits = number_text(whole) + (f"{',' if french else '.'}{decimals}" if decimals else "")
            return f"{digits}{NBSP if french else ''}{sign}"
    return number_text(value)


def money_text(amount_minor: int, currency: str, *, short: bool = False) -> str:
    """€20.00 or 20,00 €. `short` drops the cents of a whole amount, as price tags do."""
    code = currency.lower()
    decimals = 0 if code in WITHOUT_DECIMALS else 2
    whole, rest = divmod(abs(amount_minor), 10**decimals)
    digits = number_text(whole)
    if decimals and not (short and rest == 0):
        digits += f"{',' if is_french() else '.'}{rest:0{decimals}d}"
    sign = "−" if amount_minor < 0 else ""
    symbol = SYMBOLS.get(code, code.upper())
    if is_french():
        return f"{sign}{digits}{NBSP}{FRENCH_SYMBOLS.get(code, symbol)}"
    return f"{sign}{symbol}{digits}" if code in SYMBOLS else f"{sign}{symbol}{NBSP}{digits}"


def price_text(price_minor: Decimal, currency: str) -> str:
    """A price of one unit, fractions of a cent too: $0.02, $0.0125, 0,0125 $US."""
    code = currency.lower()
    decimals = 0 if code in WITHOUT_DECIMALS else 2
    if price_minor == int(price_minor):
        return money_text(int(price_minor), currency)
    _sign, digits, exponent = (price_minor.scaleb(-decimals)).normalize().as_tuple()
    places = -int(exponent)
    text = "".join(map(str, digits)).rjust(places + 1, "0")
    figure = f"{number_text(int(text[:-places]))}{',' if is_french() else '.'}{text[-places:]}"
    return money_text(0, currency, short=True).replace("0", figure, 1)


def mean_text(total: int, parts: int) -> str:
    """The mean: whole from ten on, below with one decimal, so that little is not told as nothing."""
    if total >= 10 * parts:
        return number_text(round(total / parts))
    tenths = round(total * 10 / parts)
    point = "," if is_french() else "."
    if total and not tenths:
        return f"<{NBSP}0{point}1"
    return f"{tenths // 10}{point}{tenths % 10}" if tenths % 10 else number_text(tenths // 10)


def percent_text(part: int, whole: int) -> str:
    """The share in whole per cent, rounded down so that 100 % is only said of a full one."""
    share = 100 if whole <= 0 else part * 100 // whole
    return f"{number_text(share)}{NBSP}%" if is_french() else f"{number_text(share)}%"


def date_text(at: datetime) -> str:
    """3 December 2026, 1er décembre 2026; in the active time zone."""
    local = _local(at)
    text = dateformat.format(local, "j F Y").replace(" ", NBSP)
    return text.replace(f"1{NBSP}", f"1er{NBSP}", 1) if is_french() and local.day == 1 else text


def day_text(at: datetime, *, now: datetime) -> str:
    """A date without its year when that is the current one."""
    text = date_text(at)
    year = timezone.localtime(now).year
    return text.removesuffix(f"{NBSP}{year}")


def short_day_text(at: datetime) -> str:
    """21 Nov, 21 nov.; for the axis of a chart, in the active time zone."""
    return f"{_local(at).day}{NBSP}{_short_month(at)}"


def month_text(at: datetime, *, short: bool = False) -> str:
    """November 2026. `short`, for the axis of a chart: Nov or nov., and Jan 2027 where a year begins."""
    if not short:
        return dateformat.format(_local(at), f"F{NBSP}Y")
    year = f"{NBSP}{_local(at).year}" if _local(at).month == 1 else ""
    return _short_month(at) + year


def _short_month(at: datetime) -> str:
    """Nov; in French nov., without the capital that Django's M has."""
    return dateformat.format(_local(at), "N" if is_french() else "M")


def _local(at: datetime) -> datetime:
    return timezone.localtime(at) if timezone.is_aware(at) else at


def time_text(at: datetime) -> str:
    """14:05, 14 h 05; in the active time zone."""
    return dateformat.format(_local(at), f"G{NBSP}\\h{NBSP}i" if is_french() else "H:i")


def moment_text(at: datetime, *, now: datetime) -> str:
    """Today at 14:05, tomorrow at 00:00, 3 December at 00:00."""
    return moment_texts([at], now=now)[0]


def moment_texts(ats: Iterable[datetime], *, now: datetime) -> list[str]:
    """Many at once, as for a chart by hour: each day and each time of day is written out once."""
    today = timezone.localtime(now).date()
    near = {0: _("today at %(time)s"), 1: _("tomorrow at %(time)s"), -1: _("yesterday at %(time)s")}
    other = _("%(date)s at %(time)s")
    days: dict[date, str] = {}
    times: dict[time, str] = {}
    texts = []
    for at in ats:
        local = timezone.localtime(at)
        day, hour = local.date(), local.time()
        if day not in days:
            days[day] = day_text(at, now=now)
        if hour not in times:
            times[hour] = time_text(at)
        pattern = near.get((day - today).days, other)
        texts.append(pattern % {"date": days[day], "time": times[hour]})
    return texts


def instant_text(at: datetime) -> str:
    """3 December 2026 at 00:00 (CET): true whenever it is read, as what is sent and kept has to be."""
    when = _("%(date)s at %(time)s") % {"date": date_text(at), "time": time_text(at)}
    return f"{when} ({timezone.localtime(at).tzname()})"


def utc_text(at: datetime, *, now: datetime) -> str:
    """The same moment in UTC: the time alone when it falls on the same day as in the active time zone."""
    with timezone.override("UTC"):
        utc_day, text = timezone.localtime(at).date(), time_text(at)
        date = day_text(at, now=now)
    if timezone.localtime(at).date() == utc_day:
        return f"{text}{NBSP}UTC"
    return f"{date}, {text}{NBSP}UTC"


def duration_text(delta: timedelta) -> str:
    """The two largest units: 2 d 4 h, 5 h 12 min, 12 min, 40 s. The browser counts on in the same form."""
    seconds = max(int(delta.total_seconds()), 0)
    days, hours = divmod(seconds // 3600, 24)
    minutes = seconds % 3600 // 60
    day_unit = pgettext("unit: days", "d")
    if days:
        return f"{days}{NBSP}{day_unit} {hours}{NBSP}h" if hours else f"{days}{NBSP}{day_unit}"
    if hours:
        return f"{hours}{NBSP}h {minutes}{NBSP}min"
    return f"{minutes}{NBSP}min" if minutes else f"{seconds}{NBSP}s"


def ago_text(delta: timedelta) -> str:
    """3 days ago, in the largest unit."""
    seconds = max(int(delta.total_seconds()), 0)
    if seconds < 60:  # noqa: PLR2004
        return _("just now")
    if seconds < 3600:  # noqa: PLR2004
        return ngettext("%(count)s minute ago", "%(count)s minutes ago", seconds // 60) % {
            "count": seconds // 60
        }
    if seconds < 86_400:  # noqa: PLR2004
        return ngettext("%(count)s hour ago", "%(count)s hours ago", seconds // 3600) % {
            "count": seconds // 3600
        }
    return ngettext("%(count)s day ago", "%(count)s days ago", seconds // 86_400) % {
        "count": seconds // 86_400
    }
