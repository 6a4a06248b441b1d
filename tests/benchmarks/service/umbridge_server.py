"""UM-Bridge's server with the functions of ``by_hand.py``; run by the peers' Python with the port as argument."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import umbridge

_spec = importlib.util.spec_from_file_location("by_hand", Path(__file__).with_name("by_hand.py"))
assert _spec is not None
assert _spec.loader is not None
by_hand = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(by_hand)


class Model(umbridge.Model):  # type: ignore[misc]  # the peer has no types
    """One function of one vector."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.value, self.derivative = by_hand.FUNCTIONS[name]

    def get_input_sizes(self, config: dict[str, Any]) -> list[int]:
        return [int(config.get("n", 161))]

    def get_output_sizes(self, config: dict[str, Any]) -> list[int]:  # noqa: ARG002 - the peer's signature
        return [1]

    def __call__(self, parameters: list[list[float]], config: dict[str, Any]) -> list[list[float]]:  # noqa: ARG002
        return [[self.value(np.array(parameters[0]))]]

    def gradient(
        self,
        out_wrt: int,  # noqa: ARG002
        in_wrt: int,  # noqa: ARG002
        parameters: list[list[float]],
        sens: list[float],
        config: dict[str, Any],  # noqa: ARG002
    ) -> list[float]:
        return [float(g) for g in sens[0] * self.derivative(np.array(parameters[0]))]

    def supports_evaluate(self) -> bool:
        return True

    def supports_gradient(self) -> bool:
        return True


if __name__ == "__main__":
    umbridge.serve_models([Model(name) for name in by_hand.FUNCTIONS], int(sys.argv[1]))
