"""What the deployment's pages put beside the code is in no image and no repository: settings with live keys, dumps."""

from fnmatch import fnmatch

import pytest

from sandbox.environment import ROOT

pytestmark = pytest.mark.req("OP-7")


@pytest.mark.parametrize("ignoring", [".dockerignore", ".gitignore"])
@pytest.mark.parametrize(
    "name", [".env", ".env.live", "backups/before-20270131T000000Z.dump", "palier.dump", ".palier/env"]
)
def test_secrets_and_dumps_stay_where_they_are(ignoring: str, name: str) -> None:
    patterns = [line.strip("/") for line in (ROOT / ignoring).read_text(encoding="utf-8").splitlines()]
    assert any(fnmatch(name, one) or name.startswith(f"{one}/") for one in patterns if one)
