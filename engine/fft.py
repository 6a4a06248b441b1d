"""Operators under PyTorch's ``torch.fft``; filled from the table."""
