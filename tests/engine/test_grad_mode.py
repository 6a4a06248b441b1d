"""Grad modes: as context managers, as decorators, in generators, in threads and in tasks."""

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest


def test_no_grad_and_enable_grad_nest(torch: Any) -> None:
    x = torch.ones(1, requires_grad=True)
    with torch.no_grad():
        assert not (x * 2).requires_grad
        with torch.enable_grad():
            assert (x * 2).requires_grad
        assert not torch.is_grad_enabled()
    assert (x * 2).requires_grad


def test_the_mode_comes_back_after_an_error(torch: Any) -> None:
    with pytest.raises(ValueError, match="out of here"), torch.no_grad():
        raise ValueError("out of here")
    assert torch.is_grad_enabled()


def test_one_manager_is_entered_twice() -> None:
    import engine as torch  # PyTorch remembers only what it was at the last entry

    mode = torch.no_grad()
    with mode:
        with mode:
            assert not torch.is_grad_enabled()
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()


def test_factories_still_make_leaves(torch: Any) -> None:
    with torch.no_grad():
        x = torch.ones(1, requires_grad=True)
        assert x.requires_grad
        assert x.requires_grad_().is_leaf
        assert not x.detach().requires_grad


def test_set_grad_enabled_as_a_call_and_as_a_manager(torch: Any) -> None:
    try:
        torch.set_grad_enabled(False)
        assert not torch.is_grad_enabled()
        with torch.set_grad_enabled(True):
            assert torch.is_grad_enabled()
        assert not torch.is_grad_enabled()
    finally:
        torch.set_grad_enabled(True)
    with pytest.raises(
        TypeError, match=r"^set_grad_enabled\(\): argument 'enabled' \(position 1\) must be bool, not int$"
    ):
        torch.set_grad_enabled(1)


def test_decorators(torch: Any) -> None:
    @torch.no_grad()
    def quiet(x: Any) -> Any:
        """Doubles."""
        return x * 2

    @torch.no_grad
    def bare(x: Any) -> Any:
        return x * 2

    @torch.enable_grad()
    def loud(x: Any) -> Any:
        return x * 2

    @torch.set_grad_enabled(False)
    def switched(x: Any) -> Any:
        return x * 2

    x = torch.ones(1, requires_grad=True)
    assert [f(x).requires_grad for f in (quiet, bare, switched)] == [False] * 3
    with torch.no_grad():
        assert loud(x).requires_grad
    assert (quiet.__name__, quiet.__doc__) == ("quiet", "Doubles.")
    assert torch.is_grad_enabled()


def test_a_decorated_function_calls_itself(torch: Any) -> None:
    @torch.no_grad()
    def down(n: int) -> bool:
        return not torch.is_grad_enabled() and (n == 0 or down(n - 1))

    assert down(5)
    assert torch.is_grad_enabled()


def test_a_decorated_generator_leaves_its_mode_at_every_yield(torch: Any) -> None:
    @torch.no_grad()
    def steps() -> Any:
        received = yield torch.is_grad_enabled()
        yield received, torch.is_grad_enabled()
        try:
            yield torch.is_grad_enabled()
        except KeyError:
            yield torch.is_grad_enabled()
        return 7

    walk = steps()
    assert next(walk) is False
    assert torch.is_grad_enabled()
    assert walk.send("a word") == ("a word", False)
    assert torch.is_grad_enabled()
    assert next(walk) is False
    assert walk.throw(KeyError()) is False
    assert torch.is_grad_enabled()
    with pytest.raises(StopIteration) as caught:
        next(walk)
    assert caught.value.value == 7


def test_inference_mode(torch: Any) -> None:
    x = torch.ones(1, requires_grad=True)
    with torch.inference_mode():
        assert torch.is_inference_mode_enabled()
        assert not torch.is_grad_enabled()
        assert not (x * 2).requires_grad
        with torch.inference_mode(False):
            assert not torch.is_inference_mode_enabled()
    assert not torch.is_inference_mode_enabled()
    assert torch.is_grad_enabled()


def test_threads_begin_with_grad(torch: Any) -> None:
    found = []
    with torch.no_grad():
        thread = threading.Thread(target=lambda: found.append(torch.is_grad_enabled()))
        thread.start()
        thread.join()
    assert found == [True]


def test_a_threads_mode_is_its_own(torch: Any) -> None:
    entered, leave = threading.Event(), threading.Event()

    def work() -> None:
        with torch.no_grad():
            entered.set()
            leave.wait(5)

    thread = threading.Thread(target=work)
    thread.start()
    assert entered.wait(5)
    assert torch.is_grad_enabled()
    leave.set()
    thread.join()


def test_tasks_do_not_disturb_each_other() -> None:
    import engine as torch  # PyTorch's mode belongs to the thread; ours to the task

    async def quiet(other: asyncio.Event, own: asyncio.Event) -> bool:
        with torch.no_grad():
            own.set()
            await other.wait()
            return torch.is_grad_enabled()

    async def loud(other: asyncio.Event, own: asyncio.Event) -> bool:
        await other.wait()
        found = torch.is_grad_enabled()
        own.set()
        return found

    async def both() -> list[bool]:
        a, b = asyncio.Event(), asyncio.Event()
        return list(await asyncio.gather(quiet(a, b), loud(b, a)))

    assert asyncio.run(both()) == [False, True]


def test_backward_in_several_threads_adds_up(torch: Any) -> None:
    x = torch.ones(3, requires_grad=True)
    roots = [(x * k).sum() for k in range(1, 9)]
    threads = [threading.Thread(target=root.backward) for root in roots]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert x.grad.tolist() == [36.0] * 3


def test_backward_records_nothing_and_puts_the_mode_back(torch: Any) -> None:
    x = torch.ones(1, requires_grad=True)
    seen = []
    y = x * 2
    y.register_hook(lambda g: seen.append(torch.is_grad_enabled()))
    with torch.no_grad():
        y.backward(torch.ones(1), retain_graph=True)
        assert not torch.is_grad_enabled()
    torch.autograd.grad(y, x, torch.ones(1), create_graph=True)
    assert seen == [False, True]
    assert torch.is_grad_enabled()
