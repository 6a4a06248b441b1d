"""The served functions in NumPy with their derivatives written out, for servers that need them so: of one vector, to one number."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["DATA", "FUNCTIONS", "TARGET"]

Array = np.ndarray[Any, Any]
_rng = np.random.default_rng(7)
DATA: Array = _rng.standard_normal((32, 8))
TARGET: Array = _rng.standard_normal((32, 1))


def rosenbrock(x: Array) -> float:
    return float((100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum())


def rosenbrock_grad(x: Array) -> Array:
    g = np.zeros_like(x)
    inner = x[1:] - x[:-1] ** 2
    g[1:] += 200.0 * inner
    g[:-1] += -400.0 * x[:-1] * inner - 2.0 * (1.0 - x[:-1])
    return g


def _layers(w: Array) -> tuple[Array, Array, Array]:
    hidden = np.tanh(DATA @ w[:128].reshape(8, 16) + w[128:144])
    return hidden, w[144:160].reshape(16, 1), hidden @ w[144:160].reshape(16, 1) + w[160] - TARGET


def mlp(w: Array) -> float:
    return float((_layers(w)[2] ** 2).mean())


def mlp_grad(w: Array) -> Array:
    hidden, last, error = _layers(w)
    upstream = 2.0 * error / error.size
    below = (upstream @ last.T) * (1.0 - hidden**2)
    pieces = (DATA.T @ below, below.sum(0), hidden.T @ upstream, upstream.sum(0))
    return np.concatenate([p.ravel() for p in pieces])


FUNCTIONS = {"rosenbrock": (rosenbrock, rosenbrock_grad), "mlp": (mlp, mlp_grad)}
