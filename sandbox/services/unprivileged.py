"""PostgreSQL refuses to run as root. When we are root it runs as `nobody`, from where `nobody` can read."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

from sandbox.services.process import ServiceError


def service_user() -> tuple[int, int] | None:
    """(uid, gid) to drop to, or None when we are no root and nothing need be dropped."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def others_can_reach(path: Path) -> bool:
    """Whether a stranger may pass through every directory down to `path`, as far as it exists."""
    return all(place.stat().st_mode & stat.S_IXOTH for place in [path, *path.parents] if place.is_dir())


def reachable_directory(wanted: Path, user: tuple[int, int] | None) -> Path:
    """`wanted`, made; or, when `user` could not get there (a checkout below /root), a link from it to a place under
    /var/tmp that belongs to this one path."""
    if wanted.is_symlink() and not wanted.exists():
        wanted.unlink()  # its target was cleaned away
    if user is None or wanted.is_symlink() or others_can_reach(wanted.absolute().parent):
        wanted.mkdir(parents=True, exist_ok=True)
    else:
        elsewhere = _private_place(wanted)
        wanted.parent.mkdir(parents=True, exist_ok=True)
        wanted.symlink_to(elsewhere, target_is_directory=True)
    place = wanted.resolve()
    if user is not None:
        place.chmod(0o755)
    return place


def _private_place(wanted: Path) -> Path:
    name = "palier-" + hashlib.sha256(str(wanted.absolute()).encode()).hexdigest()[:16]
    place = Path("/var/tmp") / name
    place.mkdir(mode=0o755, exist_ok=True)
    if place.is_symlink() or place.stat().st_uid != os.geteuid():
        raise ServiceError(f"{place} belongs to somebody else: remove it, or move the checkout out of /root.")
    return place


def readable_copy(sources: Iterable[Path], root: Path, cache: Path, user: tuple[int, int] | None) -> Path:
    """`root` itself when `user` can read below it, else `cache`: `sources` copied there as they lie below `root`.

    The copy is made once and appears whole or not at all; name `cache` for the version of what is in it.
    """
    if user is None or others_can_reach(root):
        return root
    if not cache.exists():
        cache.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(dir=cache.parent, prefix="copying-"))
        for source in sources:
            shutil.copytree(source, unfinished / source.relative_to(root), symlinks=True)
        unfinished.chmod(0o755)
        unfinished.rename(cache)
    return cache


def remove_tree(path: Path) -> None:
    """Remove a data directory, following the link that `reachable_directory` may have made."""
    if path.is_symlink():
        target = path.resolve()
        path.unlink()
        path = target
    if path.exists():
        shutil.rmtree(path)
