"""Drawers of the stuff: ground, buildings, plants, fences, and the unlabelled objects."""
