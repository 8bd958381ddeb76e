"""Surfaces L(N, D) and L(N, D, k): fits, held-out cells, the compute-optimal split."""
