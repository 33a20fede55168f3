"""The mails that the file backend kept, for whoever works on them. Only files of its directory, only in DEBUG."""

from __future__ import annotations

import email
import email.policy
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

from django.conf import settings

from common.errors import NotFound

SEPARATOR = b"\n" + b"-" * 79 + b"\n"
SUFFIX = ".log"
MOST = 100


@dataclass(frozen=True, slots=True)
class KeptMail:
    """One mail. `name` is its file's, and its place in it."""

    name: str
    sent_at: datetime
    message: EmailMessage

    @property
    def subject(self) -> str:
        return str(self.message["Subject"] or "")

    @property
    def to(self) -> str:
        return str(self.message["To"] or "")

    @property
    def text(self) -> str:
        return self._part("plain")

    @property
    def html(self) -> str:
        return self._part("html")

    def _part(self, kind: str) -> str:
        part = self.message.get_body(preferencelist=(kind,))
        return str(part.get_content()) if part is not None else ""


def mails_kept(*, most: int = MOST) -> list[KeptMail]:
    """The newest first; none where mails are not kept as files."""
    directory = mail_directory()
    if directory is None or not directory.is_dir():
        return []
    files = sorted(directory.glob(f"*{SUFFIX}"), key=lambda one: one.stat().st_mtime, reverse=True)
    found: list[KeptMail] = []
    for file in files[:most]:
        found += reversed(_read(file))
    return found[:most]


def mail_kept(name: str) -> KeptMail:
    """NotFound for a name that none of them has, whatever path it may look like."""
    found = next((one for one in mails_kept(most=10 * MOST) if one.name == name), None)
    if found is None:
        raise NotFound
    return found


def mail_directory() -> Path | None:
    """Where the file backend puts them; None with any other backend."""
    is_kept = settings.EMAIL_BACKEND.endswith("filebased.EmailBackend")
    return Path(getattr(settings, "EMAIL_FILE_PATH", "")) if is_kept else None


def _read(file: Path) -> list[KeptMail]:
    """A connection that sent several wrote them one after the other."""
    sent_at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    parts = [part for part in file.read_bytes().split(SEPARATOR) if part.strip()]
    return [
        KeptMail(
            f"{file.stem}-{number}",
            sent_at,
            email.message_from_bytes(part.lstrip(b"\n"), policy=email.policy.default),
        )
        for number, part in enumerate(parts)
    ]
