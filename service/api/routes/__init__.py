"""Every router, in the order of the documentation."""

from __future__ import annotations

from service.api.routes import batch, catalogue, docs, functions, graph, health, ops, run, scopes, sessions, tensors

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
)

__all__ = ["ROUTERS"]
