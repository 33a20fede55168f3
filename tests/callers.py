"""Callers of the HTTP API, as an integrator writes them: a header that says who, and JSON both ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import requests

TIMEOUT_S = 60


@dataclass(frozen=True)
class Caller:
    """Calls as one identity. Answers are `requests.Response`, whatever their status."""

    base_url: str
    identity: Mapping[str, str]

    @classmethod
    def signed_in(cls, base_url: str, email: str, password: str) -> Self:
        """By a token of POST /v1/auth/token."""
        body = {"email": email, "password": password}
        answer = requests.post(f"{base_url}/v1/auth/token", json=body, timeout=TIMEOUT_S)
        assert answer.status_code == 200, answer.text
        return cls(base_url, {"Authorization": f"Bearer {answer.json()['data']['access']}"})

    def get(self, path: str, **headers: str) -> requests.Response:
        return self._call("GET", path, None, headers)

    def post(
        self, path: str, body: Any = None, *, key: str | None = None, **headers: str
    ) -> requests.Response:
        """`key` is the Idempotency-Key."""
        return self._call("POST", path, body, {**headers, **({"Idempotency-Key": key} if key else {})})

    def put(self, path: str, body: Any, **headers: str) -> requests.Response:
        return self._call("PUT", path, body, headers)

    def delete(self, path: str, **headers: str) -> requests.Response:
        return self._call("DELETE", path, None, headers)

    def _call(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> requests.Response:
        return requests.request(
            method,
            self.base_url + path,
            json=body,
            headers={**self.identity, **headers},
            timeout=TIMEOUT_S,
            allow_redirects=False,
        )
