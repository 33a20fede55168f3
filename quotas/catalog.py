"""Which metrics there are. Read once a process; a code not known yet is looked for again."""

from __future__ import annotations

from collections.abc import Iterable

from quotas.errors import UnknownMetric
from quotas.models import Metric

_ids: dict[str, int] = {}
_codes: dict[int, str] = {}


def metric_id(code: str) -> int:
    """The metric's id; UnknownMetric when there is none. Ids never change, so they are kept."""
    if code not in _ids:
        _load()
    if code not in _ids:
        raise UnknownMetric(details={"metric": code[:40]})
    return _ids[code]


def metric_code(id_: int) -> str:
    """The metric's code."""
    if id_ not in _codes:
        _load()
    return _codes[id_]


def first_code(codes: Iterable[str]) -> str:
    """Of these metrics the one that the catalogue names first."""
    return min(codes, key=metric_id)


def forget() -> None:
    """Read again at the next use (tests, after a change of the catalogue)."""
    _ids.clear()
    _codes.clear()


def _load() -> None:
    for id_, code in Metric.objects.values_list("id", "code"):
        _ids[code] = id_
        _codes[id_] = code
