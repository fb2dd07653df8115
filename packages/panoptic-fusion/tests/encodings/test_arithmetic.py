"""MMDetection's and DeepLab's encodings, there and back."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from panoptic_fusion import (
    PanopticSegmentation,
    deeplab_to_segmentation,
    mmdet_to_segmentation,
    segmentation_to_deeplab,
    segmentation_to_mmdet,
)
from panoptic_fusion.testing import assert_same_segments, example_segmentation

CODERS = {
    "mmdet": (
        lambda seg: segmentation_to_mmdet(seg, num_classes=5),
        lambda encoded: mmdet_to_segmentation(encoded, num_things=2, num_classes=5),
    ),
    "deeplab": (
        segmentation_to_deeplab,
        lambda encoded: deeplab_to_segmentation(encoded, num_things=2, num_classes=5),
    ),
    "deeplab 256": (
        lambda seg: segmentation_to_deeplab(seg, divisor=256, ignore_index=5),
        lambda encoded: deeplab_to_segmentation(
            encoded, num_things=2, num_classes=5, divisor=256, ignore_index=5
        ),
    ),
}
coders = pytest.mark.parametrize("name", CODERS)


def test_both_by_hand() -> None:
    # 3 and 8 are the first and the second thing of class 1, 5 is stuff 4, 6 is a crowd of class 0.
    id_map = torch.tensor([[3, 8, 5], [6, 0, 5]])
    seg = PanopticSegmentation.from_id_map(
        id_map, [3, 8, 5, 6], [1, 1, 4, 0], [True, True, False, True], iscrowd=[False, False, False, True]
    )
    assert segmentation_to_mmdet(seg, num_classes=5).tolist() == [[1001, 2001, 4], [0, 5, 4]]
    assert segmentation_to_deeplab(seg).tolist() == [[1001, 1002, 4000], [0, 255_000, 4000]]
    assert segmentation_to_deeplab(seg, divisor=10, ignore_index=9).tolist() == [[11, 12, 40], [0, 90, 40]]


@coders
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_round_trip(name: str, seed: int) -> None:
    encode, decode = CODERS[name]
    generator = torch.Generator().manual_seed(seed)
    id_map = torch.randint(0, 10, (9, 11), generator=generator) * 1000
    labels = [0, 1, 1, 0, 0, 1, 2, 3, 4]  # a class of stuff has one segment, a class of things many
    seg = PanopticSegmentation.from_id_map(
        id_map,
        torch.arange(1, 10) * 1000,
        labels,
        [label < 2 for label in labels],
        iscrowd=[i in (0, 5) for i in range(9)],
    )
    back = decode(encode(seg))
    assert_same_segments(seg, back)
    assert_same_segments(seg, decode(encode(seg).numpy()))
    assert sorted(back.ids.tolist()) == list(range(1, len(seg) + 1))


@coders
def test_crowd_and_void_survive(name: str) -> None:
    encode, decode = CODERS[name]
    seg = example_segmentation()
    back = decode(encode(seg))
    assert torch.equal(back.id_map == 0, seg.id_map == 0)
    assert int(back.iscrowd.sum()) == 1


@coders
@pytest.mark.parametrize("shape", [(2, 3), (0, 3)])
def test_no_segments(name: str, shape: tuple[int, int]) -> None:
    encode, decode = CODERS[name]
    assert len(decode(encode(PanopticSegmentation.empty(*shape)))) == 0


def test_foreign_void_values() -> None:
    assert len(deeplab_to_segmentation(torch.tensor([[-1, -1]]), num_things=1, num_classes=2)) == 0
    assert len(mmdet_to_segmentation(torch.tensor([[255, 2]]), num_things=1, num_classes=2)) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda seg: segmentation_to_mmdet(seg, num_classes=4), r"labels below `num_classes` = 4, got 4"),
        (lambda seg: segmentation_to_mmdet(seg, num_classes=1000), r"`num_classes` in \[0, 999\], got 1000"),
        (lambda seg: segmentation_to_deeplab(seg, divisor=2), r"`divisor` = 2 instances of a class, got 2"),
        (lambda seg: segmentation_to_deeplab(seg, divisor=2**24), r"to fit into int32, got 255 \* 16777216"),
        (lambda seg: segmentation_to_deeplab(seg, ignore_index=4), r"labels below `ignore_index` = 4, got 4"),
    ],
)
def test_encoders_reject_what_does_not_fit(call: Callable, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(example_segmentation())


@pytest.mark.parametrize("value", [2001, 7])
def test_mmdet_decoder_rejects_what_does_not_fit(value: int) -> None:
    message = rf"labels in \[0, 3\), instances only of \[0, 1\), got the value {value}"
    with pytest.raises(ValueError, match=message):
        mmdet_to_segmentation(torch.tensor([[value]]), num_things=1, num_classes=3)


@pytest.mark.parametrize("value", [1001, 3000])
def test_deeplab_decoder_rejects_what_does_not_fit(value: int) -> None:
    encoded: Tensor = torch.tensor([[value]])
    with pytest.raises(ValueError, match=rf"got the value {value}"):
        deeplab_to_segmentation(encoded, num_things=1, num_classes=3)
    with pytest.raises(TypeError, match="`deeplab_seg` to hold integers"):
        deeplab_to_segmentation(encoded.float(), num_things=1, num_classes=3)
