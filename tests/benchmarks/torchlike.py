"""The workloads in PyTorch's words: one text for the engine and for PyTorch itself.

Each maker takes the module (``engine`` or ``torch``) and answers a step: a function of nothing that does the work once and answers
arrays to compare.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["MAKERS", "OPERATIONS", "rng"]

Step = Callable[[], list[Any]]


def rng() -> np.random.Generator:
    """The same numbers for every contender."""
    return np.random.Generator(np.random.Philox(20))


def leaf(t: Any, array: Any) -> Any:
    return t.from_numpy(np.array(array)).clone().requires_grad_()


def const(t: Any, array: Any) -> Any:
    return t.from_numpy(np.array(array)).clone()


def tiny(t: Any, shape: tuple[int, ...] = (2, 2)) -> Step:
    """100 elementwise operators on 2×2, a fifth of them tanh."""
    r = rng()
    x = leaf(t, r.random(shape, dtype=np.float32))
    y = const(t, r.random(shape, dtype=np.float32))

    def step() -> list[Any]:
        x.grad = None
        a = x
        for _ in range(20):
            b = a * y
            c = b + x
            d = c * 0.5
            e = d - y
            a = t.tanh(e)
        a.sum().backward()
        return [x.grad]

    return step


def tiny_scalar(t: Any) -> Step:
    """The same on tensors without dims."""
    return tiny(t, ())


def mlp_small(t: Any) -> Step:
    """8-16-1 with tanh, a batch of 32, mean squared error, a step of SGD."""
    r = rng()
    x, y = (
        const(t, r.standard_normal((32, 8), dtype=np.float32)),
        const(t, r.standard_normal((32, 1), dtype=np.float32)),
    )
    parameters = [leaf(t, r.standard_normal(s, dtype=np.float32) * 0.1) for s in ((8, 16), (16,), (16, 1), (1,))]

    def step() -> list[Any]:
        w1, b1, w2, b2 = parameters
        h = t.tanh(x @ w1 + b1)
        error = h @ w2 + b2 - y
        loss = (error * error).mean()
        loss.backward()
        with t.no_grad():
            for p in parameters:
                p -= 0.0 * p.grad  # noqa: PLW2901 - in place
        grads = [p.grad for p in parameters]
        for p in parameters:
            p.grad = None
        return grads

    return step


def mlp(t: Any) -> Step:
    """784-256-128-10 with relu and cross entropy, a batch of 64, a step of SGD."""
    r = rng()
    x = const(t, r.standard_normal((64, 784), dtype=np.float32))
    target = const(t, r.integers(0, 10, 64))
    sizes = ((784, 256), (256,), (256, 128), (128,), (128, 10), (10,))
    parameters = [leaf(t, r.standard_normal(s, dtype=np.float32) * 0.05) for s in sizes]

    def step() -> list[Any]:
        w1, b1, w2, b2, w3, b3 = parameters
        h = t.relu(t.addmm(b1, x, w1))
        h = t.relu(t.addmm(b2, h, w2))
        loss = t.nn.functional.cross_entropy(t.addmm(b3, h, w3), target)
        loss.backward()
        with t.no_grad():
            for p in parameters:
                p -= 0.0 * p.grad  # noqa: PLW2901 - in place
        grads = [p.grad for p in parameters]
        for p in parameters:
            p.grad = None
        return grads

    return step


def rosenbrock(t: Any) -> Step:
    """Rosenbrock's function of 1,000 float64 variables and its gradient."""
    x = leaf(t, rng().standard_normal(1_000))

    def step() -> list[Any]:
        x.grad = None
        a, b = x[1:], x[:-1]
        d = a - b * b
        e = 1 - b
        (100 * (d * d) + e * e).sum().backward()
        return [x.grad]

    return step


def wide(t: Any) -> Step:
    """10 elementwise operators on 1,000,000 elements, two of them tanh."""
    r = rng()
    x, y = leaf(t, r.random(1_000_000, dtype=np.float32)), leaf(t, r.random(1_000_000, dtype=np.float32))

    def step() -> list[Any]:
        x.grad = y.grad = None
        a = t.tanh(x * y)
        b = a + x
        c = b * 0.5 - y
        d = t.tanh(c) * a
        ((d + b) * x).sum().backward()
        return [x.grad, y.grad]

    return step


def attention(t: Any) -> Step:
    """One head of 128×64 with softmax and layer norm."""
    r = rng()
    x = leaf(t, r.standard_normal((128, 64), dtype=np.float32))
    wq, wk, wv = (leaf(t, r.standard_normal((64, 64), dtype=np.float32) * 0.1) for _ in range(3))

    def step() -> list[Any]:
        leaves = (x, wq, wk, wv)
        for p in leaves:
            p.grad = None
        h = t.nn.functional.layer_norm(x, (64,))
        q, k, v = h @ wq, h @ wk, h @ wv
        a = t.softmax((q @ k.t()) * 0.125, 1)
        ((a @ v) + x).sum().backward()
        return [p.grad for p in leaves]

    return step


def logreg(t: Any) -> Step:
    """Logistic regression on 10,000×100 float64."""
    r = rng()
    x = const(t, r.standard_normal((10_000, 100)))
    y = const(t, (r.random(10_000) > 0.5).astype(np.float64))
    w = leaf(t, r.standard_normal(100) * 0.1)

    def step() -> list[Any]:
        w.grad = None
        t.nn.functional.binary_cross_entropy_with_logits(x @ w, y).backward()
        return [w.grad]

    return step


def conv(t: Any) -> Step:
    """A LeNet on 32×1×28×28."""
    r = rng()
    x = const(t, r.standard_normal((32, 1, 28, 28), dtype=np.float32))
    target = const(t, r.integers(0, 10, 32))
    f = t.nn.functional
    sizes = ((6, 1, 5, 5), (6,), (16, 6, 5, 5), (16,), (256, 120), (120,), (120, 10), (10,))
    parameters = [leaf(t, r.standard_normal(s, dtype=np.float32) * 0.1) for s in sizes]

    def step() -> list[Any]:
        for p in parameters:
            p.grad = None
        k1, c1, k2, c2, w1, b1, w2, b2 = parameters
        h = f.max_pool2d(t.relu(f.conv2d(x, k1, c1)), 2)
        h = f.max_pool2d(t.relu(f.conv2d(h, k2, c2)), 2)
        h = t.relu(t.addmm(b1, h.reshape(32, 256), w1))
        f.cross_entropy(t.addmm(b2, h, w2), target).backward()
        return [p.grad for p in parameters]

    return step


def embedding(t: Any) -> Step:
    """1,024 rows of a 10,000×64 table, summed and squared."""
    r = rng()
    table = leaf(t, r.standard_normal((10_000, 64), dtype=np.float32))
    ids = const(t, r.integers(0, 10_000, 1_024))

    def step() -> list[Any]:
        table.grad = None
        e = t.nn.functional.embedding(ids, table)
        (e * e).sum().backward()
        return [table.grad]

    return step


def hvp(t: Any) -> Step:
    """A Hessian-vector product of mlp_small."""
    r = rng()
    x, y = (
        const(t, r.standard_normal((32, 8), dtype=np.float32)),
        const(t, r.standard_normal((32, 1), dtype=np.float32)),
    )
    w1, w2 = (
        leaf(t, r.standard_normal((8, 16), dtype=np.float32) * 0.1),
        leaf(t, r.standard_normal((16, 1), dtype=np.float32) * 0.1),
    )
    v1, v2 = (
        const(t, r.standard_normal((8, 16), dtype=np.float32)),
        const(t, r.standard_normal((16, 1), dtype=np.float32)),
    )

    def step() -> list[Any]:
        error = t.tanh(x @ w1) @ w2 - y
        loss = (error * error).mean()
        g1, g2 = t.autograd.grad(loss, (w1, w2), create_graph=True)
        return list(t.autograd.grad((g1 * v1).sum() + (g2 * v2).sum(), (w1, w2)))

    return step


def deep(t: Any) -> Step:
    """A chain of 100,000 additions of a number to a tensor without dims."""
    x = leaf(t, np.float32(0.5))

    def step() -> list[Any]:
        x.grad = None
        a = x
        for _ in range(100_000):
            a = a + 0.001
        a.backward()
        return [x.grad]

    return step


MAKERS: dict[str, Callable[[Any], Step]] = {
    "tiny": tiny,
    "tiny_scalar": tiny_scalar,
    "mlp_small": mlp_small,
    "mlp": mlp,
    "rosenbrock": rosenbrock,
    "wide": wide,
    "attention": attention,
    "logreg": logreg,
    "conv": conv,
    "embedding": embedding,
    "hvp": hvp,
    "deep": deep,
}

OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "x + y": lambda x, y: x + y,
    "x * y": lambda x, y: x * y,
    "x / y": lambda x, y: x / y,
    "x * 2.0": lambda x, y: x * 2.0,
    "x ** 2": lambda x, y: x**2,
    "exp": lambda x, y: x.exp(),
    "log": lambda x, y: x.log(),
    "tanh": lambda x, y: x.tanh(),
    "relu": lambda x, y: x.relu(),
    "sum": lambda x, y: x.sum(),
    "sum(0)": lambda x, y: x.sum(0),
    "mean": lambda x, y: x.mean(),
    "x @ y": lambda x, y: x @ y,
    "softmax": lambda x, y: x.softmax(0),
    "reshape": lambda x, y: x.reshape(4),
    "x[0]": lambda x, y: x[0],
    "x.t()": lambda x, y: x.t(),
}
