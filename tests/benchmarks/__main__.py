"""``python -m tests.benchmarks [operators | workloads] [NAME …]``: results first compared, then timed in turn, ratios printed."""

from __future__ import annotations

import importlib.util
import os
import statistics
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # before NumPy is imported

# ruff: noqa: E402
import numpy as np

import engine
from tests.benchmarks import peers
from tests.benchmarks.measure import interleaved, ratio
from tests.benchmarks.torchlike import MAKERS, OPERATIONS, rng

TARGETS = {
    "tiny": 0.40,
    "tiny_scalar": 0.35,
    "mlp_small": 0.30,
    "mlp": 0.95,
    "rosenbrock": 0.25,
    "wide": 0.90,
    "attention": 0.90,
    "logreg": 0.75,
    "conv": 1.00,
    "embedding": 1.0,
    "hvp": 0.45,
    "deep": 0.60,
}


def pytorch() -> Any:
    """PyTorch with one thread, or None where it is not installed."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    torch.set_num_threads(1)
    return torch


def array(value: Any) -> Any:
    return np.asarray(value.detach().numpy() if hasattr(value, "detach") else value)


def agree(name: str, steps: dict[str, Callable[[], list[Any]]]) -> None:
    """Every contender computes the same, or the benchmark means nothing."""
    expected = [array(v) for v in steps["engine"]()]
    for contender, step in steps.items():
        for ours, theirs in zip(expected, step(), strict=True):
            np.testing.assert_allclose(array(theirs), ours, rtol=2e-3, atol=1e-5, err_msg=f"{name}: {contender}")


def workloads(wanted: list[str]) -> None:
    torch = pytorch()
    others = {"mygrad": peers.mygrad(), "autograd": peers.hips(), "numpy by hand": peers.by_hand()}
    print(
        f"{'workload':<12} {'engine µs':>11} {'/ torch':>8} {'target':>7} {'/ mygrad':>9} {'/ autograd':>10} {'/ numpy by hand':>15}"
    )
    for name, make in MAKERS.items():
        if wanted and name not in wanted:
            continue
        steps = {"engine": make(engine)}
        if torch is not None:
            steps["torch"] = make(torch)
        for contender, own in others.items():
            if name in own:
                steps[contender] = own[name]
        agree(name, steps)
        times = interleaved(steps, rounds=9 if name == "deep" else 25)
        cells = [f"{ratio(times['engine'], times[c]):.2f}" if c in times else "-" for c in ("torch", *others)]
        median = statistics.median(times["engine"]) * 1e6
        print(
            f"{name:<12} {median:>11.1f} {cells[0]:>8} {TARGETS[name]:>7.2f} {cells[1]:>9} {cells[2]:>10} {cells[3]:>15}",
            flush=True,
        )
        if name == "deep":
            tracemalloc.start()
            make(engine)()
            print(f"{'':<12} peak memory {tracemalloc.get_traced_memory()[1] / 2**20:.1f} MiB (target 32)")
            tracemalloc.stop()


def operators() -> None:
    """Each operator forward and backward on 2×2 float32."""
    torch = pytorch()
    data = rng().random((2, 2), dtype=np.float32) + 0.5
    print(f"{'operator':<10} {'engine µs':>10} {'torch µs':>9} {'ratio':>6}")
    for name, f in OPERATIONS.items():
        steps: dict[str, Callable[[], object]] = {"engine": once(engine, f, data)}
        if torch is not None:
            steps["torch"] = once(torch, f, data)
        times = interleaved(steps, rounds=15, seconds=0.01)
        ours = statistics.median(times["engine"]) * 1e6
        if "torch" in times:
            theirs = statistics.median(times["torch"]) * 1e6
            print(f"{name:<10} {ours:>10.2f} {theirs:>9.2f} {ratio(times['engine'], times['torch']):>6.2f}")
        else:
            print(f"{name:<10} {ours:>10.2f} {'-':>9} {'-':>6}")


def once(t: Any, f: Callable[[Any, Any], Any], data: Any) -> Callable[[], None]:
    x, y = t.from_numpy(data.copy()).requires_grad_(), t.from_numpy(data.copy()).requires_grad_()
    up = t.ones_like(f(x, y))

    def step() -> None:
        f(x, y).backward(up)
        x.grad = y.grad = None

    return step


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] == "operators":
        operators()
    if not arguments or arguments[0] == "workloads":
        workloads(arguments[1:])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
