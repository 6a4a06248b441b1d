"""Operators under PyTorch's ``torch.linalg``; filled from the table."""
