"""Evaluation of folders of files: image by image, in bounded memory, with threads."""

from panoptic_core.evaluating.folders import evaluate_folders
from panoptic_core.evaluating.scores import FolderResult, ImageScore

__all__ = ["FolderResult", "ImageScore", "evaluate_folders"]
