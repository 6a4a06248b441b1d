"""Operators under PyTorch's ``torch.linalg``; filled from the table."""

from engine.errors import LinAlgError

__all__ = ["LinAlgError"]
