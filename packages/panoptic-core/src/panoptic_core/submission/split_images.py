"""Which images a split has, from its JSON or from the folder of its images."""

import os
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from panoptic_core.files import PanopticFileError
from panoptic_core.fusing.images import read_image_list
from panoptic_core.submission.servers import Server

_SUFFIXES = {".png", ".jpg", ".jpeg"}


def read_split(path: str | os.PathLike[str], server: Server) -> Mapping[int | str, tuple[int, int]]:
    """Return the ``(H, W)`` of each image of a split by its id.

    Args:
        path: A JSON with ``images`` (such as ``image_info_test-dev2017.json``), or the folder of the images,
            folders below it included.
        server: Whose image ids.

    Raises:
        FileNotFoundError: If there is no such place, or no image in the folder.
        PanopticFileError: If a file is broken, or its name has no image id.
    """
    path = Path(path)
    if path.is_dir():
        pairs = [(file.name, str(file), _size(file)) for file in sorted(path.rglob("*")) if _is_image(file)]
        if not pairs:
            msg = f"Expected images ({', '.join(sorted(_SUFFIXES))}) in the folder {path}, got none."
            raise FileNotFoundError(msg)
    else:
        listed = read_image_list(path, server.table).images
        pairs = [(str(image.image_id), image.file_name, image.size) for image in listed]
    sizes: dict[int | str, tuple[int, int]] = {}
    for name, file_name, size in pairs:
        image_id = server.read_id(name)
        if image_id is None:
            image_id = server.read_id(Path(file_name).name)
        if image_id is None:
            msg = (
                f"{path}: expected an image id of {server.name} ({server.id_rule}), got {name!r} of "
                f"{file_name}. Give the list of this server's images."
            )
            raise PanopticFileError(msg)
        sizes[image_id] = size
    return sizes


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in _SUFFIXES and file.is_file()


def _size(file: Path) -> tuple[int, int]:
    try:
        with Image.open(file) as image:
            return image.height, image.width
    except OSError as error:
        msg = f"Expected {file} to be an image, but its size cannot be read: {error}. Copy it again."
        raise PanopticFileError(msg) from error
