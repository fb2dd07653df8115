from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mmengine.structures import BaseDataElement

from panoptic_core.engine import PredictionPicturesHook
from panoptic_core.engine.images import write_picture
from panoptic_core.testing import tiny_scene


class Loader:
    """A data loader of five images, two in a batch."""

    batch_size = 2

    def __init__(self) -> None:
        self.dataset = self

    metainfo = tiny_scene().table.to_metainfo()

    def __len__(self) -> int:
        return 5


@pytest.fixture
def runner(tmp_path: Path) -> Any:
    loader = Loader()
    return SimpleNamespace(
        work_dir=str(tmp_path),
        iter=40,
        _train_loop=object(),
        val_dataloader=loader,
        test_dataloader=loader,
    )


def _outputs(folder: Path, *numbers: int) -> list[BaseDataElement]:
    samples = []
    for number in numbers:
        path = folder / f"image{number}.png"
        write_picture(path, tiny_scene().image)
        sample = BaseDataElement(metainfo={"img_path": str(path)})
        sample.pred_panoptic = sample.gt_panoptic = tiny_scene().segmentation
        samples.append(sample)
    return samples


def _drawn(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.png"))


def test_the_first_images_of_a_validation(runner: Any, tmp_path: Path) -> None:
    hook = PredictionPicturesHook(num_images=3)
    for batch, numbers in enumerate([(0, 1), (2, 3), (4,)]):
        hook.after_val_iter(runner, batch, None, _outputs(tmp_path, *numbers))
    assert _drawn(tmp_path / "pictures/iter_40") == ["000_image0.png", "001_image1.png", "002_image2.png"]
    assert hook.written_to == tmp_path / "pictures/iter_40"


def test_each_process_draws_its_own(runner: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Rank 1 of 2 gets the images 1, 3, and the repeated 0, which has number 5 of 5 images: left out.
    monkeypatch.setattr("panoptic_core.engine.hooks.pictures.get_rank", lambda: 1)
    monkeypatch.setattr("panoptic_core.engine.hooks.pictures.get_world_size", lambda: 2)
    hook = PredictionPicturesHook(num_images=8, folder="seen")
    for batch, numbers in enumerate([(1, 3), (0,)]):
        hook.after_test_iter(runner, batch, None, _outputs(tmp_path, *numbers))
    assert _drawn(tmp_path / "seen/test") == ["001_image1.png", "003_image3.png"]


def test_none(runner: Any, tmp_path: Path) -> None:
    hook = PredictionPicturesHook(num_images=0)
    hook.after_val_iter(runner, 0, None, _outputs(tmp_path, 0))
    assert hook.written_to is None
    assert not (tmp_path / "pictures").exists()
