"""dj-stripe cannot tell the stand-in from Stripe: it mirrors every object and processes every event."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
@pytest.mark.req("BI-1", "BI-2")
def test_dj_stripe_mirrors_everything():
    command = [sys.executable, "-m", "sandbox.stripe.tests.mirror"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert ended.returncode == 0, ended.stderr[-2000:]
    outcome = json.loads(ended.stdout.splitlines()[-1])
    assert outcome["failed"] == {}
    assert outcome["refused"] == []
    wanted = {
        "customer",
        "subscription",
        "invoice",
        "price",
        "charge",
        "payment_intent",
        "payment_method",
        "refund",
    }
    wanted |= {
        "checkout.session",
        "coupon",
        "invoiceitem",
        "product",
        "setup_intent",
        "subscription_schedule",
    }
    assert wanted <= set(outcome["mirrored"])
    assert outcome["mirrored"]["event"] > 100
