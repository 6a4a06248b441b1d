"""Benchmarks: the engine beside PyTorch eager, MyGrad, HIPS autograd and NumPy by hand. ``make bench`` runs them."""
