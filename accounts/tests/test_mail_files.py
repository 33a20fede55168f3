"""The page of mails: what the file backend kept, as it was sent; nothing else, and nothing outside of DEBUG."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.mail import EmailMultiAlternatives, get_connection
from django.test import Client

pytestmark = [pytest.mark.django_db, pytest.mark.req("NO-3")]
WITH_DESIGN = pytest.mark.urls("billing.tests.design_urls")


@pytest.fixture
def sent(tmp_path: Path, settings) -> Path:
    """Two mails over one connection, one of them with dashes, accents and HTML."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path)
    first = EmailMultiAlternatives("Première <b>", "Été\n-- \nPalier", "a@palier.test", ["b@palier.test"])
    first.attach_alternative("<p style='color:red'>Été</p>", "text/html")
    second = EmailMultiAlternatives("Second", "Only text", "a@palier.test", ["c@palier.test"])
    get_connection().send_messages([first, second])
    return tmp_path


@WITH_DESIGN
def test_mails_are_shown_as_they_were_sent(sent: Path, client: Client):
    page = client.get("/design/mails/").content.decode()
    assert "Première &lt;b&gt;" in page
    assert page.index("Second") < page.index("Première"), "the newest first"
    (name,) = [file.stem for file in sent.iterdir()]
    one = client.get(f"/design/mails/{name}-0/").content.decode()
    assert "Été\n-- \nPalier" in one
    html = client.get(f"/design/mails/{name}-0/html/")
    assert html.content.decode().strip() == "<p style='color:red'>Été</p>"
    policy = html["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert html["X-Frame-Options"] == "SAMEORIGIN"
    assert "As HTML" not in client.get(f"/design/mails/{name}-1/").content.decode()


@WITH_DESIGN
@pytest.mark.parametrize("name", ["..%2f..%2fetc%2fpasswd", "nothing-0", "%00"])
def test_only_what_was_kept_can_be_read(sent: Path, client: Client, name: str):
    (sent.parent / "secret.log").write_text("Subject: secret")
    assert client.get(f"/design/mails/{name}/").status_code == 404
    assert client.get("/design/mails/..%2fsecret-0/").status_code == 404


@WITH_DESIGN
def test_without_files_it_says_how(client: Client):
    assert "Mails are not kept here" in client.get("/design/mails/").content.decode()


@WITH_DESIGN
def test_before_the_first_one(sent: Path, client: Client):
    for file in sent.iterdir():
        file.unlink()
    assert "No mail yet" in client.get("/design/mails/").content.decode()


@pytest.mark.parametrize("path", ["/design/", "/design/mails/", "/design/mails/x/", "/design/mails/x/html/"])
def test_outside_of_debug_there_is_no_such_page(client: Client, path: str):
    assert client.get(path).status_code == 404
