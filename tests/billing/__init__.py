"""Proofs about money: whole lives of subscribers, held against a reference that computes them a second time."""

import pytest

pytest.register_assert_rewrite("tests.billing.subscribers", "tests.billing.flows")
