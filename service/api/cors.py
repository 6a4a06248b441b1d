"""Requests of pages from other origins: those of the setting ``cors_origins`` only, and never with a browser's own credentials.

It stands before everything else, so that such a page can read refusals, too.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from fastapi import Response
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from service.api.problems import STATUSES, problem

__all__ = ["CrossOrigin"]

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
TAKEN: Final = (
    "Authorization", "Idempotency-Key", "If-Match", "If-None-Match", "Request-Timeout", "X-Request-Id", "traceparent",
)  # fmt: skip
SHOWN: Final = ("Allow", "ETag", "Location", "Retry-After", "X-Request-Id")


class CrossOrigin(CORSMiddleware):
    """Starlette's, with an explicit list of origins; what a page may not do is a problem document."""

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        super().__init__(app, origins, METHODS, TAKEN, allow_credentials=False, expose_headers=SHOWN)

    def preflight_response(self, request_headers: Headers) -> Response:
        """Whether a page may send what it is about to."""
        answer = super().preflight_response(request_headers)
        if answer.status_code == 200:
            return answer
        kept = {k: v for k, v in answer.headers.items() if k == "vary" or k.startswith("access-control-")}
        detail = "A page of this origin may not send this: cors_origins lists the origins; methods and headers are those of the API."
        return problem(STATUSES[403], detail, headers=kept)
