"""Panoptic files, categories, metrics and pictures. Nothing is imported here: name the part you use."""
