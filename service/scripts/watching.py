"""What a run tells of itself beside its values: how its backward calls walked, and what was computed without being recorded."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

from engine.backward import accumulate
from engine.op import Op
from engine.tensor import Tensor, node_of
from service.steps.verbs import trace_listener, walk_json

__all__ = ["LeftOut", "Traces"]

MOST: Final = 4
REMEMBERED: Final = 256


class Traces:
    """The walks of a run's last backward calls, node by node, as the verb ``backward`` tells them with ``trace``."""

    def __init__(self) -> None:
        self.kept: deque[dict[str, Any]] = deque(maxlen=MOST)

    def walk(self, root: Tensor, gradient: Any, retain_graph: Any, create_graph: bool, inputs: Any) -> None:
        """``root.backward(…)``, told. Errors: the engine's."""
        node = node_of(root)
        events: list[dict[str, Any]] = []
        passed: list[int] = [0]
        listen = trace_listener(events, passed)
        accumulate(root, gradient, retain_graph, create_graph, inputs, trace=listen)
        self.kept.append({"root": None if node is None else f"n{node.seq}", **walk_json(events, passed)})


class LeftOut:
    """Results that have no history because a no_grad scope or ``detach`` left it out: the operator and its inputs, while they live.

    beside: called with the row, the arguments and the result of a call that took one of them.
    """

    def __init__(self) -> None:
        self.beside: Callable[[Op, list[Any], Tensor], None] | None = None
        self._found: dict[int, tuple[weakref.ref[Tensor], str, tuple[Tensor, ...]]] = {}

    def note(self, what: str, result: Any, inputs: Iterable[Any]) -> None:
        """Remember a result whose inputs require grad while it does not. To be told of what runs unrecorded, and of ``detach``."""
        sources = tuple(t for t in inputs if isinstance(t, Tensor) and t.requires_grad)
        if not sources:
            return
        for t in result if isinstance(result, tuple) else (result,):
            if isinstance(t, Tensor) and not t.requires_grad:
                self._found[id(t)] = (weakref.ref(t), what, sources)
        if len(self._found) > REMEMBERED:
            alive = [(k, v) for k, v in self._found.items() if v[0]() is not None]
            self._found = dict(alive[-REMEMBERED // 2 :])

    def known(self, t: Tensor, what: str, inputs: tuple[Tensor, ...]) -> None:
        """What was left out before this run."""
        self._found[id(t)] = (weakref.ref(t), what, inputs)

    def took(self, *values: Any) -> bool:
        """Whether one of these values was left out."""
        return bool(self._found) and any(isinstance(v, Tensor) and self.of(v) is not None for v in values)

    def use(self, op: Op, values: list[Any], given: Iterable[Any], result: Any) -> None:
        """Tell of a call that took what was left out. given: the values, with those of lists one by one."""
        made = result[0] if isinstance(result, tuple) and result else result
        if self._found and self.beside is not None and isinstance(made, Tensor) and self.took(*given):
            self.beside(op, values, made)

    def of(self, t: Tensor) -> tuple[str, tuple[Tensor, ...]] | None:
        """The operator and the inputs of a tensor that was left out."""
        found = self._found.get(id(t))
        return None if found is None or found[0]() is not t else found[1:]
