"""Operators under PyTorch's ``torch.nn.functional``; filled from the table."""
