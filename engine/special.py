"""Operators under PyTorch's ``torch.special``; filled from the table."""
