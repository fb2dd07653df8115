"""The classes of the generated scenes."""

from panoptic_core.categories import Category, CategoryTable

GENERATED_SCENES = CategoryTable(
    name="generated scenes",
    categories=(
        Category(1, "person", True, (220, 20, 60)),
        Category(2, "car", True, (0, 0, 142)),
        Category(3, "bicycle", True, (190, 90, 10)),
        Category(4, "dog", True, (255, 140, 105)),
        Category(5, "traffic light", True, (250, 170, 30)),
        Category(6, "traffic sign", True, (220, 220, 0)),
        Category(7, "backpack", True, (0, 200, 190)),
        Category(11, "sky", False, (70, 130, 180)),
        Category(12, "building", False, (90, 90, 100)),
        Category(13, "vegetation", False, (107, 142, 35)),
        Category(14, "road", False, (128, 64, 128)),
        Category(15, "sidewalk", False, (244, 35, 232)),
        Category(16, "grass", False, (152, 251, 152)),
        Category(17, "fence", False, (190, 153, 153)),
    ),
)
"""Things first, then stuff; ``backpack`` is the worn class: always on top of a person."""
