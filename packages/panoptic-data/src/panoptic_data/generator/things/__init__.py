"""Drawers of the things: each returns a sketch in metres that stands on the ground at (0, 0)."""
