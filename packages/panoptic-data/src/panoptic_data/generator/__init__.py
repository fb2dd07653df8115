"""A generator of street-like scenes: pictures with panoptic ground truth, made from a seed."""

from panoptic_data.generator.cache import ensure_scenes
from panoptic_data.generator.categories import GENERATED_SCENES
from panoptic_data.generator.scene import Scene, SceneSegment, make_scene
from panoptic_data.generator.settings import DEFAULT_SIZE, GENERATOR_VERSION, SceneSettings, parse_size
from panoptic_data.generator.writer import write_scenes

__all__ = [
    "DEFAULT_SIZE",
    "GENERATED_SCENES",
    "GENERATOR_VERSION",
    "Scene",
    "SceneSegment",
    "SceneSettings",
    "ensure_scenes",
    "make_scene",
    "parse_size",
    "write_scenes",
]
