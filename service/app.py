"""The composition root: where parts are chosen and joined. Importing a module opens nothing; one lifespan opens and closes all."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI, Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api import problems
from service.api.authentication import Authentication
from service.api.cors import CrossOrigin
from service.api.direct import Direct
from service.api.exchange import Asked, Parts, Tenancy
from service.api.functions import read_values
from service.api.middleware import Guard, TooLarge, too_large
from service.api.observation import Observation, look_at
from service.api.openapi import document
from service.api.routes import ROUTERS
from service.auth.api_keys import KeyFile
from service.executors.local import LocalExecutor, SystemClock
from service.functions.evaluator import Evaluator
from service.functions.manager import FunctionLimits, FunctionManager
from service.functions.replaying import ReplayingEvaluator
from service.journal.directory import StoreError
from service.journal.function_store import LedgerStore
from service.journal.sqlite import SQLiteJournal
from service.sessions.house import DEFAULT_TENANT, Found, House, stored_by_tenant
from service.sessions.manager import Pace, SessionManager
from service.sessions.ports import Executor, Journal
from service.settings import Settings
from service.steps.limits import Limits
from service.steps.recent import Recent
from service.wire.json_codec import Strictness

__all__ = ["StoreError", "create_app", "is_loopback", "key_file", "open_journal"]

TENDING = 60.0  # seconds between two rounds of sweeping
LOG = logging.getLogger("gradwire")
BATCHES, BATCHES_BYTES = 4_096, 32 * 2**20  # bodies of batches that are remembered, and what they may hold

DESCRIPTION = """PyTorch's autograd behind HTTP. Open a session, make tensors, apply operators, call backward, read gradients.
[The guide](/guide) tells it in order, [the playground](/) shows it; this document by itself is [/openapi.json](/openapi.json).

Every example can be pressed, in any order. On this page `SESSION_ID` stands for a session of the page's own: the last one that you
opened here, or one that is opened when it is first needed, with the tutorial's `x`, `y`, `z` and `out` in it. The function `rosenbrock` is
kept likewise. Errors are RFC 9457 problem documents; each `type` is a page of this service."""


def open_journal(settings: Settings) -> Journal | None:
    """The journal in the data directory; None where sessions are kept in memory. Errors: StoreError."""
    if not settings.data_dir:
        return None
    return SQLiteJournal(
        Path(settings.data_dir),
        durability=settings.durability,  # type: ignore[arg-type] # the settings have checked it
        interval=settings.sync_interval,
        reserve=settings.disk_reserve,
    )


def key_file(settings: Settings) -> KeyFile | None:
    """Where API keys are kept: ``keys_file``, or ``keys`` in the data directory; None where there is neither."""
    if settings.keys_file:
        return KeyFile(Path(settings.keys_file))
    return KeyFile(Path(settings.data_dir) / "keys") if settings.data_dir else None


class _Application(FastAPI):
    """FastAPI behind its front: the guard, then the short way to routes. Only what that does not find goes on to FastAPI."""

    front: ASGIApp
    direct: Direct
    tenancy: Tenancy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["app"] = self
            await self.front(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(settings: Settings | None = None, journal: Journal | None = None) -> FastAPI:
    """The application with its parts: sessions in memory, work in threads, and a journal where there is a data directory.

    journal: one that is open already; it is closed with the application.
    """
    settings = settings or Settings()
    keys = key_file(settings)

    def asks() -> bool:
        return keys is not None and keys.required

    @asynccontextmanager
    async def lifespan(application: FastAPI) -> AsyncIterator[None]:
        assert isinstance(application, _Application)
        kept = journal if journal is not None else open_journal(settings)
        executor = LocalExecutor(
            settings.threads,
            settings.script_threads,
            places=settings.work_places,
            share=lambda: settings.tenant_work_places if asks() else None,
        )
        house = House(
            settings.sessions,
            None if kept is None else settings.stored_sessions,
            lambda: settings.tenant_sessions if asks() else None,
            tenant_bytes=lambda: settings.tenant_bytes if asks() else None,
            total_bytes=settings.total_bytes,
        )
        state = application.state
        state.house, state.executor = house, executor
        state.evaluator = evaluator = ReplayingEvaluator()
        state.trouble = lambda: None if kept is None else kept.trouble
        found = {} if kept is None else stored_by_tenant(kept)
        batches: Recent[Asked] = Recent(BATCHES_BYTES, BATCHES)
        strictness = Strictness(settings.json_depth, settings.json_members)

        def make(tenant: str) -> Parts:
            own = executor.of(tenant)
            sessions = _manager(settings, own, kept, tenant, house, found.pop(tenant, []))
            return Parts(settings, sessions, _functions(settings, own, sessions, evaluator), batches, strictness)

        application.tenancy = tenancy = Tenancy(make, {DEFAULT_TENANT, *found})
        for parts in tenancy.all():
            await parts.functions.load()
        tending = asyncio.create_task(_tend(tenancy, min(TENDING, settings.session_ttl)))
        try:
            yield
        finally:
            tending.cancel()
            for parts in tenancy.all():
                await parts.sessions.close()
            executor.close()
            if kept is not None:
                kept.close()

    app = _Application(
        title="Gradwire",
        version=version("gradwire"),
        description=DESCRIPTION,
        lifespan=_telling(lifespan),
        docs_url=None,
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.settings = settings
    for router in ROUTERS:
        app.include_router(router)
    problems.install(app)
    app.add_exception_handler(TooLarge, _too_large)
    routes = [route for router in ROUTERS for route in router.routes]
    app.direct = Direct(super(_Application, app).__call__, routes=routes, handlers=app.exception_handlers)
    known = Authentication(app.direct, keys=keys, guarded=settings.guarded_pages, failures=settings.auth_failures)
    observed = Observation(known, routes=routes)
    app.state.metrics = observed.metrics
    look_at(app, observed.metrics)
    app.front = Guard(
        observed,
        request_bytes=settings.request_bytes,
        loopback=is_loopback(settings.host),
        seconds=settings.request_seconds,
        most_seconds=settings.most_request_seconds,
    )
    if settings.origins:
        app.front = CrossOrigin(app.front, settings.origins)
    app.openapi = lambda: document(app, keys=asks())  # type: ignore[method-assign]
    return app


def _telling(
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """A lifespan whose failure is logged: nobody else tells of it."""

    @asynccontextmanager
    async def told(application: FastAPI) -> AsyncIterator[None]:
        try:
            async with lifespan(application):
                yield
        except Exception:
            LOG.exception("the service could not begin, or end, as it should")
            raise

    return told


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _functions(
    settings: Settings, executor: Executor, sessions: SessionManager, evaluator: Evaluator
) -> FunctionManager:
    return FunctionManager(
        LedgerStore(sessions.ledger),
        executor,
        SystemClock(),
        evaluator,
        read_values,
        _limits(settings),
        FunctionLimits(**{name: getattr(settings, name) for name in FunctionLimits.__slots__}),
    )


def _limits(settings: Settings) -> Limits:
    return Limits(**{name: getattr(settings, name) for name in Limits.__slots__})


async def _tend(tenancy: Tenancy, seconds: float) -> None:
    """Sweep now and then, until the application ends."""
    while True:
        await asyncio.sleep(seconds)
        for parts in tenancy.all():
            await parts.sessions.tend()


def _manager(
    settings: Settings, executor: Executor, journal: Journal | None, tenant: str, house: House, found: Found
) -> SessionManager:
    return SessionManager(
        executor,
        SystemClock(),
        _limits(settings),
        most_sessions=settings.sessions,
        idle_ttl=settings.session_ttl,
        queue_places=settings.queue_places,
        queue_seconds=settings.queue_seconds,
        journal=journal,
        pace=Pace(records=settings.snapshot_records, life=settings.stored_ttl, stored=settings.stored_sessions),
        tenant=tenant,
        house=house,
        found=found,
    )


async def _too_large(request: Request, _: Exception) -> Response:
    detail, members = too_large(request.app.state.settings.request_bytes)
    return problems.problem(problems.STATUSES[413], detail, members, {"Connection": "close"})
