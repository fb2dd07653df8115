"""The residual of detections and its picture."""

import pytest
import torch

from panoptic_fusion import BoxMasks, RawOutputs
from panoptic_heads.tascnet import detection_residual, residual_picture


def _raw(scores: list[float]) -> RawOutputs:
    # Four pixels: a detection on the two on the left (0.9), semantics see things in the middle (0.8).
    return RawOutputs(
        size=(1, 4),
        num_things=1,
        num_classes=2,
        sem_logits=torch.tensor([[0.2, 0.8, 0.8, 0.2], [0.8, 0.2, 0.2, 0.8]]).log()[:, None],
        masks=BoxMasks.from_logits(torch.tensor([[[0.9]]]).logit(), torch.tensor([[0.0, -0.5, 2.0, 1.5]])),
        labels=torch.tensor([0]),
        scores=torch.tensor(scores),
    )


def test_residual_by_hand() -> None:
    # The box reaches half a pixel above and below: its one cell's centre is at the height of the pixels'.
    # Across, it lies between the pixels' centres, a quarter of a cell away from both: 3/4 * 0.9 = 0.675.
    # detections  0.675   0.675   0      0
    # semantics   0       0.8     0.8    0
    residual = detection_residual(_raw([0.5]), 1)
    torch.testing.assert_close(residual, torch.tensor([[0.675, -0.125, -0.8, 0.0]]))


def test_doubtful_detections_are_left_out() -> None:
    residual = detection_residual(_raw([0.49]), 1)
    torch.testing.assert_close(residual, torch.tensor([[0.0, -0.8, -0.8, 0.0]]))


def test_picture_colours() -> None:
    picture = residual_picture(torch.tensor([[0.0, 1.0, -1.0, 0.4]]))
    assert picture.tolist() == [[[255, 255, 255], [255, 0, 0], [0, 0, 255], [255, 153, 153]]]


def test_needs_logits() -> None:
    raw = _raw([0.9])
    raw.sem_logits = None
    with pytest.raises(ValueError, match=r"with `sem_logits`, `scores` and mask logits"):
        detection_residual(raw, 1)
