"""Whose organisations can be looked at in the sandbox, and what each of them shows."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from billing.demo import DOMAIN
from billing.pages.demo import DemoPerson
from enterprise.demo import ORGANISATIONS

ABOUT: dict[str, Promise] = {
    "acme": _("Organisation under contract: 1,000 calls a day, then refused"),
    "globex": _("Organisation under contract: 100 calls a day, then $0.02 each"),
    "starter": _("Organisation, small"),
    "growth": _("Organisation, larger"),
    "dry": _("Organisation without credits"),
}


def demo_organisations() -> list[DemoPerson]:
    return [DemoPerson(f"{one.name}@{DOMAIN}", str(ABOUT.get(one.name, ""))) for one in ORGANISATIONS]
