"""Videos in and out: frames, rate and size by hand, and what cannot be read."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from panoptic_core.categories import COCO_PANOPTIC
from panoptic_core.engine.arguments import prediction_parser
from panoptic_core.engine.prediction_files import find_images
from panoptic_core.engine.runs import predict
from panoptic_core.engine.videos import VideoError, frame_picture, is_video, predict_video
from panoptic_core.inference import PanopticModel, Prediction
from panoptic_core.testing import tiny_scene
from panoptic_fusion import PanopticSegmentation

SIZE = (48, 64)  # of the frames


@pytest.fixture
def seen() -> list[np.ndarray]:
    return []


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch, seen: list[np.ndarray]) -> PanopticModel:
    """Return a model that sees the tiny scene in every frame, and remembers the frames."""
    scene = tiny_scene(*SIZE)

    def look(_: object, frame: np.ndarray) -> Prediction:
        seen.append(frame)
        return Prediction(scene.segmentation, None)

    monkeypatch.setattr("panoptic_core.engine.videos.predict", look)
    return PanopticModel(torch.nn.Identity(), scene.table, lambda results: results)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Write 10 frames, 20 a second: red from 0 to 225, no blue."""
    return _video(tmp_path / "drive.avi", 10)


def _video(path: Path, count: int) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20.0, SIZE[::-1])
    assert writer.isOpened()
    for number in range(count):
        frame = np.zeros((*SIZE, 3), np.uint8)
        frame[..., 2] = min(25 * number, 255)  # BGR
        writer.write(frame)
    writer.release()
    return path


def _read(path: Path) -> tuple[list[np.ndarray], float]:
    capture = cv2.VideoCapture(str(path))
    rate, frames = capture.get(cv2.CAP_PROP_FPS), []
    while (step := capture.read())[0]:
        frames.append(step[1][..., ::-1])
    capture.release()
    return frames, rate


def test_every_frame(model: PanopticModel, seen: list[np.ndarray], video: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    assert predict_video(model, video, tmp_path / "out", lines.append) is None
    assert lines == [f"{video}: 10 of 10 frames predicted"]
    # RGB, in order: red grows, blue stays.
    assert [int(frame[..., 0].mean()) for frame in seen] == pytest.approx([25 * n for n in range(10)], abs=6)
    assert max(frame[..., 2].mean() for frame in seen) < 12
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["drive_picture.mp4"]
    frames, rate = _read(tmp_path / "out" / "drive_picture.mp4")
    assert (len(frames), rate) == (10, 20.0)
    picture = frame_picture(seen[0], tiny_scene(*SIZE).segmentation, tiny_scene().table)
    assert frames[0].shape == picture.shape
    assert np.abs(frames[0].astype(int) - picture).mean() < 12  # the encoder loses some


def test_every_third_frame_lasts_as_long(
    model: PanopticModel, seen: list[np.ndarray], video: Path, tmp_path: Path
) -> None:
    lines: list[str] = []
    predict_video(model, video, tmp_path, lines.append, every=3)
    assert [int(frame[..., 0].mean()) for frame in seen] == pytest.approx([0, 75, 150, 225], abs=6)
    assert lines == [f"{video}: 4 of 10 frames predicted"]
    frames, rate = _read(tmp_path / "drive_picture.mp4")
    assert (len(frames), rate) == (4, pytest.approx(20 / 3, abs=0.01))


def test_a_long_one_says_how_far_it_is(model: PanopticModel, tmp_path: Path) -> None:
    lines: list[str] = []
    predict_video(model, _video(tmp_path / "long.avi", 60), tmp_path, lines.append)
    assert lines[:2] == ["25/60 frames", "50/60 frames"]


def test_a_frame_has_even_sides_and_a_steady_height() -> None:
    scene = tiny_scene(33, 331)
    picture = frame_picture(scene.image, scene.segmentation, scene.table)
    assert (picture.shape[0] % 2, picture.shape[1]) == (0, 332)
    nothing = frame_picture(scene.image, PanopticSegmentation.empty(33, 331), scene.table)
    assert nothing.shape == picture.shape
    # A set of 133 classes has no room for all: those of the frame are shown, in as many rows.
    some, other = (
        PanopticSegmentation.from_id_map(torch.ones(33, 331).int(), [1], [label], [label < 80])
        for label in (0, 100)
    )
    shapes = {frame_picture(scene.image, one, COCO_PANOPTIC).shape for one in (some, other)}
    assert len(shapes) == 1
    below = frame_picture(scene.image, other, COCO_PANOPTIC)[40:].reshape(-1, 3)
    assert (below == COCO_PANOPTIC.palette[100]).all(axis=1).any()
    assert not (below == COCO_PANOPTIC.palette[0]).all(axis=1).any()


def test_what_cannot_be_read(model: PanopticModel, video: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video" * 100)
    with pytest.raises(VideoError, match=r"broken\.mp4` cannot be opened as a video"):
        predict_video(model, broken, tmp_path / "out", print)
    with pytest.raises(VideoError, match="cannot be opened as a video"):  # and no network is loaded
        predict("no.py", "no.pth", str(broken), str(tmp_path / "out"))
    with pytest.raises(VideoError, match="`every` to be at least 1, got 0"):
        predict_video(model, video, tmp_path / "out", print, every=0)
    assert not (tmp_path / "out").exists()


def test_a_video_that_ends_too_early_is_said(model: PanopticModel, tmp_path: Path) -> None:
    video = _video(tmp_path / "cut.avi", 60)
    data = video.read_bytes()
    video.write_bytes(data[: len(data) // 2])
    sentence = predict_video(model, video, tmp_path, lambda _: None)
    assert sentence is not None
    assert "of the 60 frames that it announces" in sentence
    assert (tmp_path / "cut_picture.mp4").is_file()


def test_a_stop_leaves_nothing_half_done(
    model: PanopticModel, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    old = tmp_path / "out" / "drive_picture.mp4"
    old.write_text("of an earlier run")
    steps = iter(range(3))

    def stop(*_: object) -> Prediction:
        if next(steps, None) is None:
            raise KeyboardInterrupt
        return Prediction(tiny_scene(*SIZE).segmentation, None)

    monkeypatch.setattr("panoptic_core.engine.videos.predict", stop)
    with pytest.raises(KeyboardInterrupt):
        predict_video(model, video, tmp_path / "out", print)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [old.name]
    assert old.read_text() == "of an earlier run"


def test_what_is_a_video(video: Path, tmp_path: Path) -> None:
    assert is_video(video)
    assert not is_video(tmp_path / "gone.mp4")
    assert not is_video(tmp_path)
    (tmp_path / "clip.mpg").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match="images in the folder"):
        find_images(tmp_path)
    parsed = prediction_parser().parse_args(["a.py", "a.pth", "drive.mp4", "--every", "5"])
    assert parsed.every == 5


def test_options_that_do_not_fit(video: Path, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="--affinity-at draws images"):
        predict("a.py", "a.pth", str(video), str(tmp_path), affinity_at=[(1, 2)])
    with pytest.raises(VideoError, match="--every is for a video file"):
        predict("a.py", "a.pth", str(tmp_path), str(tmp_path), every=2)
