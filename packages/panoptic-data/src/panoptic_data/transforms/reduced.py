"""Reading large photographs at a reduced size: a JPEG decoder gives 1/2, 1/4 and 1/8 for less work.

The size that a network sees has to be known before the file is decoded, so it is drawn here, and the
transform that resizes afterwards finds it in the results.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import cv2
import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from numpy.typing import NDArray
from PIL import ExifTags, Image

from panoptic_data.registry import TRANSFORMS

Edges = tuple[int, int]

_FLAGS = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_JPEG = ("JPEG", "MPO")  # an MPO is a JPEG with more pictures behind the first
_FIRST_TURNED = 5  # of EXIF's orientations: from here on, height and width change places


@TRANSFORMS.register_module()
class LoadReducedImage(BaseTransform):
    """Draw the size that the image shall have, and decode it no larger than that needs.

    A JPEG is decoded at 1/8, 1/4 or 1/2 of its size, the smallest of them that is not below the drawn size at
    either side, so it is only ever made smaller afterwards; else, and in any other format, it is decoded
    whole. The result is ``(ceil(H / d), ceil(W / d))`` pixels; each is the mean of ``d x d`` of the file's,
    which is a better filter for shrinking than MMCV's Resize has: values differ from it. A last block that
    the image's border cuts counts as a whole pixel, so the image is stretched by less than that.

    After it come :class:`ResizeToTarget`, or
    :class:`~panoptic_data.transforms.RandomScaledCrop` with ``scale_range=None``. In a training pipeline
    ``LoadPanoptic(at_image_size=True)`` stands in between; in a testing pipeline LoadPanoptic stands after
    the resizing and keeps the annotation's size. An image in memory (``img``) keeps its pixels and gets a
    target alone.

    Required keys: ``img_path``, or ``img``.

    Added keys: ``img`` (BGR uint8), ``img_shape``, ``ori_shape`` (of the whole image), ``target_shape``
    ``(height, width)``, ``reduced_by`` (1, 2, 4 or 8), ``scale_factor`` ``(x, y)`` against the whole image.

    Args:
        edges: The longest and the shortest side at most, ``(long, short)``; the image gets as large as both
            allow, as by MMCV's Resize with ``keep_ratio=True``. Two of them: both sides are drawn between,
            as by RandomResize.
        fit: ``(height, width)`` into which the image just fits, in place of `edges`.
        factor_range: The size of `fit` is multiplied by a factor drawn uniformly from it.
        color_type: ``"color"`` follows a photograph's rotation tag, ``"color_ignore_orientation"`` does not.

    Raises:
        ValueError: If not exactly one of `edges` and `fit` is given, or a number is not positive; on reading,
            if the file is no image.
        FileNotFoundError: On reading, if there is no such file.
    """

    def __init__(
        self,
        edges: Edges | Sequence[Edges] | None = None,
        fit: tuple[int, int] | None = None,
        factor_range: tuple[float, float] = (1.0, 1.0),
        color_type: Literal["color", "color_ignore_orientation"] = "color",
    ) -> None:
        if (edges is None) == (fit is None):
            msg = f"Expected one of `edges` and `fit`, got edges={edges} and fit={fit}. Leave one out."
            raise ValueError(msg)
        if color_type not in ("color", "color_ignore_orientation"):
            msg = f"Expected `color_type` to be 'color' or 'color_ignore_orientation', got {color_type!r}."
            raise ValueError(msg)
        if not 0 < factor_range[0] <= factor_range[1]:
            msg = f"Expected `factor_range` to be 0 < low <= high, got {factor_range}."
            raise ValueError(msg)
        self.edges = None if edges is None else _as_pair(edges)
        if fit is not None and min(fit) < 1:
            msg = f"Expected `fit` to be (height, width) of at least 1 pixel, got {fit}."
            raise ValueError(msg)
        self.fit = fit
        self.factor_range = factor_range
        self.color_type = color_type

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Load one image."""
        if results.get("img") is not None:
            image, whole, reduced_by = results["img"], results["img"].shape[:2], 1
            target = self._draw(whole)
        else:
            path = Path(results["img_path"])
            data = path.read_bytes()
            whole, reducible = self._measure(data, path)
            target = self._draw(whole)
            reduced_by = find_reduction(whole, target) if reducible else 1
            image = self._decode(data, reduced_by, path)
            whole = whole if reducible else image.shape[:2]
        results["img"] = image
        results["img_shape"] = image.shape[:2]
        results["ori_shape"] = tuple(whole)
        results["target_shape"] = target
        results["reduced_by"] = reduced_by
        results["scale_factor"] = (image.shape[1] / whole[1], image.shape[0] / whole[0])
        return results

    def _draw(self, size: Sequence[int]) -> tuple[int, int]:
        """Return the ``(height, width)`` that an image of a size shall have."""
        height, width = size
        if self.edges is not None:
            long, short = (
                int(np.random.randint(min(sides), max(sides) + 1))  # noqa: NPY002
                for sides in zip(*self.edges, strict=True)
            )
            factor = min(long / max(height, width), short / min(height, width))
        else:
            assert self.fit is not None
            factor = min(self.fit[0] / height, self.fit[1] / width)
            factor *= float(np.random.uniform(*self.factor_range))  # noqa: NPY002
        # MMCV's rounding
        return max(1, int(height * factor + 0.5)), max(1, int(width * factor + 0.5))

    def _measure(self, data: bytes, path: Path) -> tuple[tuple[int, int], bool]:
        """Return ``(height, width)``, out of the header, and whether it can be decoded smaller."""
        try:
            with Image.open(io.BytesIO(data)) as image:
                width, height = image.size
                orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
                turned = self.color_type == "color" and orientation >= _FIRST_TURNED
                return ((width, height) if turned else (height, width)), image.format in _JPEG
        except (OSError, SyntaxError) as error:  # Pillow's, for files that are none or cut off
            msg = f"Expected an image at {path}, got {len(data)} bytes that are none: {error}. Copy it again."
            raise ValueError(msg) from error

    def _decode(self, data: bytes, reduced_by: int, path: Path) -> NDArray[np.uint8]:
        flag = _FLAGS[reduced_by]
        if self.color_type == "color_ignore_orientation":
            flag |= cv2.IMREAD_IGNORE_ORIENTATION
        image: NDArray[np.uint8] | None = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flag)
        if image is None:
            msg = f"Expected a whole image at {path}, got damaged data. Copy it again."
            raise ValueError(msg)
        return image

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(edges={self.edges}, fit={self.fit}, factor_range={self.factor_range}, "
            f"color_type={self.color_type!r})"
        )


@TRANSFORMS.register_module()
class ResizeToTarget(BaseTransform):
    """Resize an image, and its map if it is there, to the size that :class:`LoadReducedImage` has drawn.

    The image by the mean of areas where it shrinks, else bilinearly; the map by its nearest pixel.

    Required keys: ``img``, ``target_shape``, ``ori_shape``; ``gt_seg_map`` is optional.

    Changed keys: ``img``, ``gt_seg_map``, ``img_shape``, ``scale_factor`` ``(x, y)`` against the whole image.

    Raises:
        ValueError: If no size has been drawn.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Resize ``img`` and ``gt_seg_map``."""
        height, width = require_target(results, type(self).__name__)
        results["img"] = resize_image(results["img"], (height, width))
        results["img_shape"] = (height, width)
        whole = results["ori_shape"]
        results["scale_factor"] = (width / whole[1], height / whole[0])
        if results.get("gt_seg_map") is not None:
            results["gt_seg_map"] = mmcv.imresize(
                results["gt_seg_map"], (width, height), interpolation="nearest", backend="cv2"
            )
        return results

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def find_reduction(whole: Sequence[int], target: Sequence[int]) -> int:
    """Return how far an image can be reduced in decoding without falling below a target at either side.

    Args:
        whole: ``(height, width)`` of the image.
        target: ``(height, width)`` that is wanted of it.

    Returns:
        8, 4, 2 or 1.

    Example:
        >>> find_reduction((3000, 4000), (1000, 1333)), find_reduction((3000, 4000), (751, 1000))
        (2, 2)
        >>> find_reduction((3000, 4000), (750, 1000))
        4
    """
    for factor in (8, 4, 2):
        if all(-(-side // factor) >= want for side, want in zip(whole, target, strict=True)):
            return factor
    return 1


def sample_map(label_map: NDArray, every: int) -> NDArray:
    """Return the pixels of a map that lie in the middle of the blocks of a reduced image.

    Args:
        label_map: ``(H, W)`` or ``(H, W, C)``.
        every: Side of a block: 1, 2, 4 or 8.

    Returns:
        ``(ceil(H / every), ceil(W / every), ...)``; row i is row ``min(every * i + every // 2, H - 1)``, and
        columns alike.
    """
    if every == 1:
        return label_map
    rows, columns = (
        np.minimum(np.arange(-(-side // every)) * every + every // 2, side - 1)
        for side in label_map.shape[:2]
    )
    # Strided slices are many times faster than an index; what a cut block lacks is its last pixel.
    start = every // 2
    inner = label_map[start::every, start::every]
    if inner.shape[:2] == (len(rows), len(columns)):
        return np.ascontiguousarray(inner)
    return np.ascontiguousarray(label_map[rows[:, None], columns[None, :]])


def resize_image(image: NDArray, size: tuple[int, int]) -> NDArray:
    """Resize an image to ``(height, width)``: the mean of areas where it shrinks, else bilinear."""
    if image.shape[:2] == size:
        return image
    interpolation = "area" if size[0] < image.shape[0] else "bilinear"
    resized: NDArray = mmcv.imresize(image, (size[1], size[0]), interpolation=interpolation, backend="cv2")
    return resized


def require_target(results: dict[str, Any], who: str) -> tuple[int, int]:
    """Return the size that was drawn for an image.

    Raises:
        ValueError: If none was.
    """
    if "target_shape" not in results:
        msg = (
            f"Expected `target_shape` in the results of {results.get('img_path', 'the image')}, got none. "
            f"{who} comes after LoadReducedImage, which draws it."
        )
        raise ValueError(msg)
    height, width = results["target_shape"]
    return int(height), int(width)


def _as_pair(edges: Edges | Sequence[Edges]) -> tuple[Edges, Edges]:
    """Return two ``(long, short)``, which may be equal."""
    flat = np.asarray(edges)
    pairs = np.stack([flat, flat]) if flat.shape == (2,) else flat
    if pairs.shape != (2, 2) or pairs.min() < 1 or (pairs[:, 0] < pairs[:, 1]).any():
        msg = f"Expected `edges` to be (long, short), or two of them, of at least 1 pixel, got {edges}."
        raise ValueError(msg)
    (long, short), (other_long, other_short) = pairs.astype(int).tolist()
    return (long, short), (other_long, other_short)
