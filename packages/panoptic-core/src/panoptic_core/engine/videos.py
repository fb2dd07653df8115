"""Predict the frames of a video: one comes in, its picture goes out, none is kept."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from panoptic_core.categories import CategoryTable
from panoptic_core.errors import CommandError
from panoptic_core.inference import PanopticModel, predict
from panoptic_core.visualization import draw_names, legend, overlay
from panoptic_fusion import PanopticSegmentation

VIDEO_SUFFIXES = frozenset(
    {".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ogv", ".ts", ".webm", ".wmv"}
)
"""What a file must end with to be taken for a video."""

_LEAST_WIDTH = 320  # pixels; smaller frames are enlarged, as in other pictures
_LEGEND_ROWS = 3
_MOST_CLASSES = 15  # in the legend of a set with many
_USUAL_RATE = 25.0  # frames a second, where the file does not say
_EVERY_SO_MANY = 25  # frames, between two lines of the report


class VideoError(CommandError, ValueError):
    """A video cannot be read or written. The message says which, and what to do."""


def is_video(place: str | Path) -> bool:
    """Return whether a place is a file that ends as videos do."""
    return Path(place).suffix.lower() in VIDEO_SUFFIXES and Path(place).expanduser().is_file()


def check_video(video: str | Path) -> None:
    """Find out whether a video can be opened, before a network is loaded.

    Raises:
        VideoError: If it cannot.
    """
    with _opened(Path(video).expanduser()):
        pass


def predict_video(
    model: PanopticModel, video: str | Path, out: str | Path, report: Callable[[str], None], every: int = 1
) -> str | None:
    """Write ``NAME_picture.mp4``: each frame with its segments, names and a legend; without sound.

    Frames are predicted one by one: nothing links the instances of one frame to those of the next.

    Args:
        model: From :func:`panoptic_core.inference.load_model`.
        video: The file.
        out: The folder to write to.
        report: Called with a line now and then.
        every: Predict every so many frames; the new video has only these, and lasts as long as the old one.

    Returns:
        A sentence if the file ended before the frames that it announces, else None.

    Raises:
        VideoError: If there is no frame that can be decoded, no encoder, **or** `every` is below 1.
    """
    if every < 1:
        msg = f"Expected `every` to be at least 1, got {every}."
        raise VideoError(msg)
    video = Path(video).expanduser()
    target = Path(out, f"{video.stem}_picture.mp4")
    with _opened(video) as capture:
        announced = int(max(0, capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        rate = capture.get(cv2.CAP_PROP_FPS)
        rate = rate if math.isfinite(rate) and rate > 0 else _USUAL_RATE
        read = 0

        def pictures() -> Iterator[NDArray[np.uint8]]:
            nonlocal read
            for read, frame in _read(capture, every):
                if frame is None:
                    continue
                yield frame_picture(frame, predict(model, frame).segmentation, model.table)
                if ((read - 1) // every + 1) % _EVERY_SO_MANY == 0:
                    report(f"{read}/{announced or '?'} frames")

        written = _write(target, pictures(), rate / every)
    if not written:
        msg = (
            f"`{video}` has no frame that can be decoded. Play it in a player, or convert it to H.264 in mp4."
        )
        raise VideoError(msg)
    report(f"{video}: {written} of {read} frames predicted")
    if read + max(2, announced // 50) < announced:  # containers announce a few too many
        return f"`{video}` ends after {read} of the {announced} frames that it announces; those are done."
    return None


def frame_picture(
    frame: NDArray[np.uint8], seg: PanopticSegmentation, table: CategoryTable
) -> NDArray[np.uint8]:
    """Draw one frame: its segments with their names, and a legend of a height that is always the same.

    Args:
        frame: ``(H, W, 3)`` uint8 RGB.
        seg: What was predicted.
        table: Names and colours.

    Returns:
        ``(H', W', 3)`` uint8 RGB with even sides, as video encoders want them.
    """
    factor = max(1, -(-_LEAST_WIDTH // frame.shape[1]))
    picture = overlay(frame, seg, table.palette).repeat(factor, axis=0).repeat(factor, axis=1)
    picture = draw_names(picture, seg, table)
    width = picture.shape[1]
    everything = legend(table, range(table.num_classes), width)
    if everything.shape[0] <= legend(table, (), width, rows=_LEGEND_ROWS).shape[0]:
        strip = everything
    else:
        pixels: Counter[int] = Counter()
        for segment in seg.segments:
            pixels[segment.label] += segment.area
        labels = sorted(label for label, _ in pixels.most_common(_MOST_CLASSES))
        strip = legend(table, labels, width, rows=_LEGEND_ROWS)
    whole = np.concatenate([picture, strip], axis=0)
    odd = whole.shape[0] % 2, whole.shape[1] % 2
    return np.pad(whole, ((0, odd[0]), (0, odd[1]), (0, 0)), mode="edge")


@contextmanager
def _opened(video: Path) -> Iterator[Any]:
    capture = cv2.VideoCapture(str(video))
    try:
        if not capture.isOpened():
            msg = (
                f"`{video}` cannot be opened as a video. Play it in a player, or convert it to H.264 in mp4."
            )
            raise VideoError(msg)
        yield capture
    finally:
        capture.release()


def _read(capture: Any, every: int) -> Iterator[tuple[int, NDArray[np.uint8] | None]]:
    """Yield how many frames were read, and every so many the frame as RGB; the others are not decoded."""
    number = 0
    while True:
        picture = None
        if number % every == 0:
            ok, frame = capture.read()
            picture = np.ascontiguousarray(frame[..., ::-1]) if ok else None
        else:
            ok = capture.grab()
        if not ok:
            return
        number += 1
        yield number, picture


def _write(target: Path, pictures: Iterator[NDArray[np.uint8]], rate: float) -> int:
    """Write an mp4, whole or not at all, and return its number of frames."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.mp4")  # the suffix tells OpenCV the container
    writer = None
    written = 0
    try:
        for picture in pictures:
            if writer is None:
                size = picture.shape[1], picture.shape[0]
                writer = cv2.VideoWriter(str(temporary), cv2.VideoWriter.fourcc(*"mp4v"), rate, size)
                if not writer.isOpened():
                    msg = (
                        f"`{target}` cannot be written: this OpenCV has no encoder for mp4 (MPEG-4). "
                        "Install opencv-python from PyPI, which has one."
                    )
                    raise VideoError(msg)
            writer.write(np.ascontiguousarray(picture[..., ::-1]))
            written += 1
        if writer is not None:
            writer.release()
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(target)
    finally:
        if writer is not None:
            writer.release()
        temporary.unlink(missing_ok=True)
    return written
