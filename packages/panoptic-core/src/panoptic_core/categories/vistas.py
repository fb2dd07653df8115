"""Mapillary Vistas v1.2's 65 evaluated classes: 37 things and 28 stuff classes.

From https://www.mapillary.com/dataset/vistas: names and colours of ``config_v1.2.json``, category ids (1..65)
of ``panoptic_2018.json``. Unlabelled pixels (colour 0, 0, 0) are void and have no row.
"""

from panoptic_core.categories.table import Category, CategoryTable

_THINGS: tuple[tuple[int, str, tuple[int, int, int]], ...] = (
    (1, "Bird", (165, 42, 42)),
    (2, "Ground Animal", (0, 192, 0)),
    (9, "Crosswalk - Plain", (140, 140, 200)),
    (20, "Person", (220, 20, 60)),
    (21, "Bicyclist", (255, 0, 0)),
    (22, "Motorcyclist", (255, 0, 100)),
    (23, "Other Rider", (255, 0, 200)),
    (24, "Lane Marking - Crosswalk", (200, 128, 128)),
    (33, "Banner", (255, 255, 128)),
    (34, "Bench", (250, 0, 30)),
    (35, "Bike Rack", (100, 140, 180)),
    (36, "Billboard", (220, 220, 220)),
    (37, "Catch Basin", (220, 128, 128)),
    (38, "CCTV Camera", (222, 40, 40)),
    (39, "Fire Hydrant", (100, 170, 30)),
    (40, "Junction Box", (40, 40, 40)),
    (41, "Mailbox", (33, 33, 33)),
    (42, "Manhole", (100, 128, 160)),
    (43, "Phone Booth", (142, 0, 0)),
    (45, "Street Light", (210, 170, 100)),
    (46, "Pole", (153, 153, 153)),
    (47, "Traffic Sign Frame", (128, 128, 128)),
    (48, "Utility Pole", (0, 0, 80)),
    (49, "Traffic Light", (250, 170, 30)),
    (50, "Traffic Sign (Back)", (192, 192, 192)),
    (51, "Traffic Sign (Front)", (220, 220, 0)),
    (52, "Trash Can", (140, 140, 20)),
    (53, "Bicycle", (119, 11, 32)),
    (54, "Boat", (150, 0, 255)),
    (55, "Bus", (0, 60, 100)),
    (56, "Car", (0, 0, 142)),
    (57, "Caravan", (0, 0, 90)),
    (58, "Motorcycle", (0, 0, 230)),
    (60, "Other Vehicle", (128, 64, 64)),
    (61, "Trailer", (0, 0, 110)),
    (62, "Truck", (0, 0, 70)),
    (63, "Wheeled Slow", (0, 0, 192)),
)
_STUFF: tuple[tuple[int, str, tuple[int, int, int]], ...] = (
    (3, "Curb", (196, 196, 196)),
    (4, "Fence", (190, 153, 153)),
    (5, "Guard Rail", (180, 165, 180)),
    (6, "Barrier", (90, 120, 150)),
    (7, "Wall", (102, 102, 156)),
    (8, "Bike Lane", (128, 64, 255)),
    (10, "Curb Cut", (170, 170, 170)),
    (11, "Parking", (250, 170, 160)),
    (12, "Pedestrian Area", (96, 96, 96)),
    (13, "Rail Track", (230, 150, 140)),
    (14, "Road", (128, 64, 128)),
    (15, "Service Lane", (110, 110, 110)),
    (16, "Sidewalk", (244, 35, 232)),
    (17, "Bridge", (150, 100, 100)),
    (18, "Building", (70, 70, 70)),
    (19, "Tunnel", (150, 120, 90)),
    (25, "Lane Marking - General", (255, 255, 255)),
    (26, "Mountain", (64, 170, 64)),
    (27, "Sand", (230, 160, 50)),
    (28, "Sky", (70, 130, 180)),
    (29, "Snow", (190, 255, 255)),
    (30, "Terrain", (152, 251, 152)),
    (31, "Vegetation", (107, 142, 35)),
    (32, "Water", (0, 170, 30)),
    (44, "Pothole", (70, 100, 150)),
    (59, "On Rails", (0, 80, 100)),
    (64, "Car Mount", (32, 32, 32)),
    (65, "Ego Vehicle", (120, 10, 10)),
)

VISTAS = CategoryTable(
    "Mapillary Vistas v1.2",
    tuple(Category(i, name, True, color) for i, name, color in _THINGS)
    + tuple(Category(i, name, False, color) for i, name, color in _STUFF),
)
