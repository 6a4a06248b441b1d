"""Random streams: a counter-based Philox generator that can be seeded, saved and put back.

PyTorch's numbers are not promised; its interface is (torch.Generator, torch.manual_seed).
"""

from __future__ import annotations

import secrets
from contextvars import ContextVar
from typing import Any

import numpy as np

from engine import schema
from engine.transaction import current

__all__ = ["Generator", "default_generator", "get_rng_state", "initial_seed", "manual_seed", "seed", "set_rng_state"]


class Generator:
    """One stream of random numbers. An open transaction puts it back when it rolls back.

    >>> g = Generator().manual_seed(7)
    >>> g.initial_seed()
    7
    """

    __slots__ = ("__weakref__", "_bits", "_seed")

    def __init__(self, device: str = "cpu") -> None:  # noqa: ARG002 - PyTorch's signature
        self._seed = secrets.randbits(53)
        self._bits = np.random.Generator(np.random.Philox(self._seed))

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of this seed; answers itself."""
        transaction = current.get()
        if transaction is not None:
            transaction.attribute(self, "_bits")
            transaction.attribute(self, "_seed")
        self._seed = int(seed)
        self._bits = np.random.Generator(np.random.Philox(self._seed % 2**64))
        return self

    def seed(self) -> int:
        """Start a stream of a drawn seed (below 2**53, so that a float64 holds it), and answer it."""
        self.manual_seed(secrets.randbits(53))
        return self._seed

    def initial_seed(self) -> int:
        """The seed the stream was started with."""
        return self._seed

    def numbers(self) -> np.random.Generator:
        """NumPy's generator, to draw from; an open transaction remembers where it stood."""
        transaction = current.get()
        if transaction is not None:
            transaction.state(self._bits.bit_generator)
        return self._bits

    def numbers_state(self) -> Any:
        """Where NumPy's bit generator stands; nothing is drawn."""
        return self._bits.bit_generator.state

    def get_state(self) -> dict[str, Any]:
        """Where the stream stands, as plain data."""
        return {"seed": self._seed, "philox": self._bits.bit_generator.state}

    def set_state(self, state: dict[str, Any]) -> Generator:
        """Go to where ``get_state`` stood."""
        self.manual_seed(state["seed"])
        self._bits.bit_generator.state = state["philox"]
        return self


schema.generator_type.append(Generator)

_process = Generator()
current_generator: ContextVar[Generator | None] = ContextVar("current_generator", default=None)


def default_generator() -> Generator:
    """The stream that is drawn from when none is given: the context's, else the process's."""
    return current_generator.get() or _process


def manual_seed(seed: int) -> Generator:
    """Seed the default stream. Source: torch.manual_seed."""
    return default_generator().manual_seed(seed)


def seed() -> int:
    """Seed the default stream with a drawn number, and answer it. Source: torch.seed."""
    return default_generator().seed()


def initial_seed() -> int:
    """The default stream's seed. Source: torch.initial_seed."""
    return default_generator().initial_seed()


def get_rng_state() -> dict[str, Any]:
    """Where the default stream stands."""
    return default_generator().get_state()


def set_rng_state(state: dict[str, Any]) -> None:
    """Put the default stream back to a state."""
    default_generator().set_state(state)
