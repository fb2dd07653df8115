"""Every way to make a panoptic map: exact, fast, on its own (NumPy and PyTorch only)."""
