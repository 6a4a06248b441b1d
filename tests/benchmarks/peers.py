"""The same workloads for MyGrad, HIPS autograd and NumPy by hand, as far as each has them. A peer that is not installed is left out."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.benchmarks.torchlike import rng

__all__ = ["by_hand", "hips", "mygrad"]

Step = Callable[[], list[Any]]


def _tiny_data(shape: tuple[int, ...]) -> tuple[Any, Any]:
    r = rng()
    return r.random(shape, dtype=np.float32), r.random(shape, dtype=np.float32)


def _small_data() -> tuple[Any, Any, list[Any]]:
    r = rng()
    x, y = r.standard_normal((32, 8), dtype=np.float32), r.standard_normal((32, 1), dtype=np.float32)
    return x, y, [r.standard_normal(s, dtype=np.float32) * 0.1 for s in ((8, 16), (16,), (16, 1), (1,))]


def by_hand() -> dict[str, Step]:
    """NumPy with the derivatives written out."""
    steps: dict[str, Step] = {}

    def tiny_of(shape: tuple[int, ...]) -> Step:
        x, y = _tiny_data(shape)
        x, y = x[()], y[()]

        def step() -> list[Any]:
            a, kept = x, []
            for _ in range(20):
                a = np.tanh((a * y + x) * np.float32(0.5) - y)
                kept.append(a)
            g = np.ones_like(a)
            gx = np.zeros_like(a)
            for a in reversed(kept):
                g = g * (1 - a * a) * np.float32(0.5)
                gx = gx + g
                g = g * y
            return [gx + g]

        return step

    steps["tiny"], steps["tiny_scalar"] = tiny_of((2, 2)), tiny_of(())
    x, y, (w1, b1, w2, b2) = _small_data()

    def mlp_small() -> list[Any]:
        h = np.tanh(x @ w1 + b1)
        error = h @ w2 + b2 - y
        g = error * np.float32(2 / error.size)
        gh = (g @ w2.T) * (1 - h * h)
        grads = [x.T @ gh, gh.sum(0), h.T @ g, g.sum(0)]
        for p, gp in zip((w1, b1, w2, b2), grads, strict=True):
            p -= np.float32(0.0) * gp  # noqa: PLW2901 - in place
        return grads

    steps["mlp_small"] = mlp_small
    z = rng().standard_normal(1_000)

    def rosenbrock() -> list[Any]:
        b = z[:-1]
        d = z[1:] - b * b
        g = np.zeros_like(z)
        g[1:] = 200 * d
        g[:-1] -= 400 * d * b + 2 * (1 - b)
        return [g]

    steps["rosenbrock"] = rosenbrock
    return steps


def mygrad() -> dict[str, Step]:
    """MyGrad's steps; none where it is not installed."""
    if importlib.util.find_spec("mygrad") is None:
        return {}
    import mygrad as mg

    def tiny_of(shape: tuple[int, ...]) -> Step:
        xa, ya = _tiny_data(shape)
        x, y = mg.tensor(xa), mg.tensor(ya, constant=True)

        def step() -> list[Any]:
            x.null_grad()
            a = x
            for _ in range(20):
                a = mg.tanh((a * y + x) * 0.5 - y)
            a.sum().backward()
            return [x.grad]

        return step

    x, y, data = _small_data()
    parameters = [mg.tensor(p) for p in data]

    def mlp_small() -> list[Any]:
        w1, b1, w2, b2 = parameters
        error = mg.matmul(mg.tanh(mg.matmul(x, w1) + b1), w2) + b2 - y
        (error * error).mean().backward()
        grads = [p.grad for p in parameters]
        for p in parameters:
            p.null_grad()
        return grads

    z = mg.tensor(rng().standard_normal(1_000))

    def rosenbrock() -> list[Any]:
        z.null_grad()
        a, b = z[1:], z[:-1]
        d, e = a - b * b, 1 - b
        (100 * (d * d) + e * e).sum().backward()
        return [z.grad]

    return {"tiny": tiny_of((2, 2)), "tiny_scalar": tiny_of(()), "mlp_small": mlp_small, "rosenbrock": rosenbrock}


def hips() -> dict[str, Step]:
    """HIPS autograd's steps; none where it is not installed."""
    if importlib.util.find_spec("autograd") is None:
        return {}
    import autograd.numpy as anp
    from autograd import grad

    def tiny_of(shape: tuple[int, ...]) -> Step:
        x, y = _tiny_data(shape)

        def f(x: Any) -> Any:
            a = x
            for _ in range(20):
                a = anp.tanh((a * y + x) * 0.5 - y)
            return anp.sum(a)

        g = grad(f)
        return lambda: [g(x)]

    x, y, data = _small_data()

    def loss(parameters: Any) -> Any:
        w1, b1, w2, b2 = parameters
        error = anp.dot(anp.tanh(anp.dot(x, w1) + b1), w2) + b2 - y
        return anp.mean(error * error)

    gradient = grad(loss)
    z = rng().standard_normal(1_000)

    def value(z: Any) -> Any:
        a, b = z[1:], z[:-1]
        d, e = a - b * b, 1 - b
        return anp.sum(100 * (d * d) + e * e)

    of_z = grad(value)
    return {
        "tiny": tiny_of((2, 2)),
        "tiny_scalar": tiny_of(()),
        "mlp_small": lambda: list(gradient(data)),
        "rosenbrock": lambda: [of_z(z)],
    }
