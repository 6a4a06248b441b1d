"""Every router, in the order of the documentation."""

from __future__ import annotations

from service.api.routes import (
    batch,
    catalogue,
    docs,
    functions,
    graph,
    guide,
    health,
    ops,
    playground,
    run,
    scopes,
    sessions,
    tensors,
)  # fmt: skip

ROUTERS = (
    sessions.router,
    tensors.router,
    ops.router,
    batch.router,
    run.router,
    scopes.router,
    graph.router,
    functions.router,
    functions.evaluations,
    catalogue.router,
    health.router,
    docs.router,
    guide.router,
    playground.router,
)

__all__ = ["ROUTERS"]
