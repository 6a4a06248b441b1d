"""The server: uvicorn's, ending gently.

On SIGTERM it says at once that it is not ready, and goes on for a moment, until whoever sends it requests has heard; then it listens no
more, finishes what it has accepted, and ends with status 0.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from types import FrameType
from typing import Any

import uvicorn

from service.protocol import protocol
from service.settings import Settings

__all__ = ["Server"]

CLOSING = 2.0  # seconds of the whole that are left for the application's own end


class Server(uvicorn.Server):
    """Serves an application on a socket of its own; ``settings`` say where, and how long an end may take."""

    def __init__(self, app: Any, settings: Settings) -> None:
        self.settings = settings
        self.app = app
        self.leaving: float | None = None  # the moment from which on nothing is accepted
        self._protocol = protocol(settings)
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http=self._protocol,
            ws="none",
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=settings.keep_alive,
            timeout_graceful_shutdown=max(1, int(settings.shutdown - settings.linger - CLOSING)),
        )
        super().__init__(config)

    def listen(self) -> socket.socket:
        """The socket, bound. Errors: OSError."""
        family = socket.AF_INET6 if ":" in self.settings.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self.settings.host, self.settings.port))
        listener.listen(2_048)
        listener.setblocking(False)
        return listener

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """The first signal begins the end, the second is the end. From the keyboard there is nobody who has to hear of it first."""
        if self.leaving is not None:
            self.force_exit = self.should_exit = True
            return
        self.app.state.draining = self._protocol.draining = True
        self.leaving = time.monotonic() + (0 if sig == signal.SIGINT else self.settings.linger)

    async def on_tick(self, counter: int) -> bool:
        """Whether it is time to end."""
        if self.leaving is not None and time.monotonic() >= self.leaving:
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept who has been let in by the system already, then nobody; finish; close."""
        self._protocol.draining = True
        for listener in sockets or []:
            listener.listen(0)  # the system lets nobody in any more, and who waits is accepted
        await asyncio.sleep(0.05)
        await super().shutdown(sockets)
