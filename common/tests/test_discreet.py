"""What errors say is kept and logged, whom they are about is not."""

import json
import logging
import smtplib

import psycopg
import pytest

from common.discreet import error_text

pytestmark = pytest.mark.req("OP-5")

DUPLICATE = 'duplicate key value violates unique constraint "user_email_once"\nDETAIL:  Key (lower(email))=(ada) exists.'


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no"), "ValueError: no"),
        (
            psycopg.IntegrityError(DUPLICATE),
            'IntegrityError: duplicate key value violates unique constraint "user_email_once"',
        ),
        (
            smtplib.SMTPRecipientsRefused({"ada.l@example.test": (550, b"unknown <ada.l@example.test>")}),
            "SMTPRecipientsRefused: {'…@…': (550, b'unknown <…@…>')}",
        ),
    ],
)
def test_error_text(error, text):
    assert error_text(error) == text


def test_log_lines(settings, capsys):
    from config.logging import build_logging

    formatter = build_logging(debug=False, fmt="json", level="INFO")["formatters"]["structured"]
    made = formatter["()"](
        processors=formatter["processors"], foreign_pre_chain=formatter["foreign_pre_chain"]
    )
    error = psycopg.IntegrityError(DUPLICATE)
    record = logging.LogRecord("x", 40, "x", 1, "failed", (), (type(error), error, None))
    line = json.loads(made.format(record))
    assert line["event"] == "failed"
    assert [one["exc_value"] for one in line["exception"]] == [DUPLICATE.split("\n", maxsplit=1)[0]]
