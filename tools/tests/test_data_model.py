"""The page of tables says what the models say, or `make check` fails."""

from pathlib import Path

import pytest
from django.apps import apps

from tools import data_model

pytestmark = pytest.mark.req("OP-6")


def test_the_page_is_in_step() -> None:
    assert data_model.main(["--check"]) == 0


def test_a_page_that_says_otherwise_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "data-model.md"
    page.write_text("# Data model\n")
    assert data_model.main(["--check"], target=page) == 1
    assert "not in step" in capsys.readouterr().err
    assert data_model.main([], target=page) == 0
    assert data_model.main(["--check"], target=page) == 0


def test_every_table_constraint_and_key_stands_there() -> None:
    page = data_model.document()
    for room in data_model.ROOMS:
        for model in apps.get_app_config(room).get_models():
            assert f"  {model._meta.db_table} {{" in page
            assert f"| `{model._meta.db_table}` | |" not in page, "each says what its rows are"
            for one in model._meta.constraints:
                assert f"`{one.name}`" in page
    assert "accounts_account ||--o{ billing_subscription : account" in page
    assert "accounts_user |o--o| accounts_account : personal_owner" in page
