"""Parameters and multiply-adds: nets counted by hand, on the meta device as on the CPU."""

import json

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from panoptic_core.complexity import OWN, Complexity, affinity_cost, measure
from panoptic_core.ops import deform_conv2d
from panoptic_fusion import apply_affinity
from panoptic_fusion.testing.literal_affinity import apply_affinity_literally


class _Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, groups=4, bias=False)
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.score = nn.Linear(4, 5)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, images: Tensor) -> Tensor:
        features = self.grouped(self.grouped(self.stem(images)))
        pixels = self.up(features).flatten(2)  # (1, 4, H W)
        affinity = pixels @ pixels.transpose(1, 2)  # (1, 4, 4): outside of every part
        return self.score(affinity * self.scale)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_counted_by_hand(device: str) -> None:
    with torch.device(device):
        model = _Net()
    counts = measure(model, (10, 20))  # the stem makes 5 x 10 = 50 pixels of it, the other way makes 200
    found = {part.name: (part.parameters, part.multiply_adds) for part in counts.parts}
    assert found == {
        "stem": (3 * 8 * 9 + 8 + 16, 50 * 8 * 3 * 9),  # the normalisation's 16 are learned, not counted
        "grouped": (8 * 2 * 9, 2 * 50 * 8 * 2 * 9),  # two channels a group, called twice
        "up": (8 * 4 * 4 + 4, 50 * 8 * 4 * 4),
        "score": (4 * 5 + 5, 4 * 4 * 5),
        OWN: (1, 4 * 200 * 4),
    }
    assert counts.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert counts.multiply_adds == sum(adds for _, adds in found.values())
    assert not model.stem._forward_hooks


class _Deformable(nn.Module):
    def __init__(self, modulated: bool) -> None:
        super().__init__()
        self.modulated = modulated
        self.weight = nn.Parameter(torch.zeros(6, 3, 3, 3))

    def forward(self, images: Tensor) -> Tensor:
        offset = images.new_zeros(1, 18, *images.shape[2:])
        return deform_conv2d(
            images, offset, self.weight, mask=offset[:, :9] if self.modulated else None, padding=1
        )


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("modulated", [False, True])
def test_a_deformable_convolution_counts_as_a_plain_one(modulated: bool, device: str) -> None:
    model = nn.Sequential(_Deformable(modulated)).to(device)
    assert measure(model, (7, 9)).multiply_adds == 7 * 9 * 6 * 3 * 9


class _TwoStage(nn.Module):
    """The outline of MMDetection's: heads are asked one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.data_preprocessor = nn.Module()
        self.data_preprocessor.pad_size_divisor = 32
        self.backbone = nn.Conv2d(3, 4, 1, stride=4, bias=False)
        self.rpn_head = nn.Conv2d(4, 3, 1, bias=False)
        self.roi_head = nn.Module()
        for name, size in (("bbox", 2), ("mask", 3)):
            extractor = nn.Module()
            extractor.roi_layers = nn.ModuleList([nn.Module()])
            extractor.roi_layers[0].output_size = (size, size)
            extractor.out_channels = 4
            setattr(self.roi_head, f"{name}_roi_extractor", extractor)
            setattr(self.roi_head, f"{name}_head", nn.Conv2d(4, 5, 1, bias=False))

    def extract_feat(self, images: Tensor) -> Tensor:
        return self.backbone(images)


def test_two_stages_get_so_many_boxes_and_the_padded_image() -> None:
    with torch.device("meta"):
        model = _TwoStage()
    counts = measure(model, (30, 33), num_boxes=7, num_masks=2)
    assert counts.size == (32, 64)
    pixels = 8 * 16
    assert [(part.name, part.multiply_adds) for part in counts.parts] == [
        ("backbone", pixels * 12),
        ("rpn_head", pixels * 12),
        ("roi_head.bbox_head", 7 * 4 * 20),
        ("roi_head.mask_head", 2 * 9 * 20),
    ]


def test_a_head_is_taken_apart_if_it_has_parts() -> None:
    class Net(nn.Module):
        def __init__(self, head: nn.Module) -> None:
            super().__init__()
            self.head = head

        def forward(self, images: Tensor) -> Tensor:
            return self.head(images)

    conv = nn.Conv2d(3, 2, 1, bias=False)
    single = measure(Net(conv), (4, 5))
    assert [(part.name, part.multiply_adds) for part in single.parts] == [("head", 3 * 2 * 20)]
    parts = measure(Net(nn.Sequential(conv, nn.Conv2d(2, 1, 1, bias=False))), (4, 5)).parts
    assert [(part.name, part.multiply_adds) for part in parts] == [("head.0", 3 * 2 * 20), ("head.1", 2 * 20)]


def test_shared_parameters_count_once() -> None:
    first = nn.Conv2d(3, 3, 1, bias=False)
    model = nn.Sequential(first, nn.Sequential(first))
    counts = measure(model, (2, 2))
    assert counts.parameters == 9
    assert counts.multiply_adds == 2 * 4 * 9


class _Borrows(nn.Module):
    """A part that calls another part."""

    def __init__(self, lender: nn.Module) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 2, 1, bias=False)
        self.lender = [lender]  # not a child

    def forward(self, images: Tensor) -> Tensor:
        return self.lender[0](self.layer(images))


def test_a_part_that_calls_another_one_counts_its_work() -> None:
    lender = nn.Conv2d(2, 3, 1, bias=False)
    model = nn.Sequential(_Borrows(lender), lender)
    model.forward = lambda images: model[0](images)  # the second part is only borrowed
    counts = measure(model, (2, 2))
    assert [(part.name, part.parameters, part.multiply_adds) for part in counts.parts] == [
        ("0", 6, 4 * (6 + 6)),
        ("1", 6, 0),
    ]


class _WithModes(nn.Module):
    def forward(self, inputs: Tensor, samples: None = None, mode: str = "tensor") -> Tensor:
        assert mode == "tensor"
        assert not self.training
        assert not torch.is_grad_enabled()
        return F.conv2d(inputs, inputs.new_zeros(2, 3, 1, 1))


def test_table_and_json() -> None:
    counts = measure(_WithModes(), (1000, 500))
    assert counts.to_table().splitlines() == [
        "           parameters M  multiply-adds B",
        "(its own)          0.00             0.00",
        "all                0.00             0.00",
    ]
    read = json.loads(counts.to_json())
    assert read["multiply_adds"] == read["parts"][0]["multiply_adds"] == 1000 * 500 * 6
    assert read["size"] == [1000, 500]
    assert isinstance(counts, Complexity)


@pytest.mark.parametrize("wrong", [{"size": (0, 5)}, {"num_boxes": 0}, {"num_masks": -1}], ids=str)
def test_numbers_that_are_not_positive(wrong: dict) -> None:
    with pytest.raises(ValueError, match=f"Expected `{next(iter(wrong))}` to be positive, got"):
        measure(nn.Conv2d(3, 1, 1), **{"size": (4, 4), **wrong})


class _Affinity(nn.Module):
    def __init__(self, explicit: bool) -> None:
        super().__init__()
        self.explicit = explicit

    def forward(self, images: Tensor) -> Tensor:
        potential, phi = images.new_zeros(7, 3, 5), images.new_zeros(6, 3, 5)
        apply = apply_affinity_literally if self.explicit else apply_affinity
        return apply(potential, phi, phi)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_affinity_costs_what_its_products_cost(device: str) -> None:
    cost = affinity_cost((12, 18), channels=6, outputs=7)
    assert cost.cells == (3, 5)  # the last column of cells reaches out of the image
    # 15 cells: 15 * 15 * (6 + 7) explicit, 2 * 15 * 6 * 7 factored; 15 * 15 and 6 * 7 values of 4 bytes
    assert (cost.explicit_multiply_adds, cost.factored_multiply_adds) == (2925, 1260)
    assert (cost.explicit_bytes, cost.factored_bytes) == (900, 168)
    assert cost.saved == pytest.approx(1 - 1260 / 2925)
    for explicit, expected in ((True, cost.explicit_multiply_adds), (False, cost.factored_multiply_adds)):
        with torch.device(device):
            (part,) = measure(_Affinity(explicit), (12, 18)).parts
        assert (part.name, part.multiply_adds) == (OWN, expected)


def test_affinity_of_the_paper() -> None:
    # Section 3.4.2: (H, W) = (800, 1300), d = 4, (C, D, N_st) = (128, 100, 53). 65 000^2 * 4 bytes = 15.7 GB
    # of 2^30. 2 * 65 000 * 128 * 153 = 2.55 billion multiply-adds, 5.1 billion operations, of
    # 65 000^2 * (128 + 153) = 1187 billion. 128 * 153 * 4 bytes are "tens of kilobytes".
    cost = affinity_cost((800, 1300), channels=128, outputs=100 + 53, stride=4)
    assert cost.explicit_bytes / 2**30 == pytest.approx(15.7, abs=0.05)
    assert 2 * cost.factored_multiply_adds / 1e9 == pytest.approx(5, abs=0.1)
    assert 100 * cost.saved == pytest.approx(99.8, abs=0.05)
    assert cost.factored_bytes == 78_336


@pytest.mark.parametrize("name", ["size", "channels", "outputs", "stride"])
def test_affinity_needs_positive_numbers(name: str) -> None:
    given = {"size": (8, 8), "channels": 1, "outputs": 1, "stride": 4, name: (8, 0) if name == "size" else 0}
    with pytest.raises(ValueError, match=rf"`{name}` to be positive, got"):
        affinity_cost(**given)
