"""Raw outputs: the file and back, shapes, label maps."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from panoptic_fusion import AffinityMaps, BoxMasks, RawOutputs
from panoptic_fusion.testing import (
    NUM_CLASSES,
    NUM_THINGS,
    example_segmentation,
    raw_outputs_from_segmentation,
)
from panoptic_fusion.testing.compare import tensors_of


def raw_outputs(mask_form: str = "crops") -> RawOutputs:
    return raw_outputs_from_segmentation(
        example_segmentation(), num_things=NUM_THINGS, num_classes=NUM_CLASSES, mask_form=mask_form
    )


def affinity_maps(**parts: object) -> AffinityMaps:
    """Cells of 4: 6 x 8 of them fill `example_segmentation`, 24 x 32, and a row and a column are padding."""
    generator = torch.Generator().manual_seed(0)
    given = {
        "sem_logits": torch.randn(NUM_CLASSES, 7, 9, generator=generator),
        "phi0": torch.rand(3, 7, 9, generator=generator),
        "phi1": torch.rand(3, 7, 9, generator=generator),
        "gamma": torch.tensor(0.3),
        "stride": (4.0, 4.0),
    }
    return AffinityMaps(**{**given, **parts})


@pytest.mark.parametrize("mask_form", ["crops", "logits"])
def test_file_and_back(tmp_path: Path, mask_form: str) -> None:
    raw = raw_outputs(mask_form)
    assert raw.sem_logits is not None
    raw.sem_logits = raw.sem_logits.bfloat16()
    raw.save(tmp_path / "one.npz")
    back = RawOutputs.load(tmp_path / "one.npz")
    assert (back.size, back.num_things, back.num_classes) == (raw.size, NUM_THINGS, NUM_CLASSES)
    assert [name for name, _ in tensors_of(back)] == [name for name, _ in tensors_of(raw)]
    for (name, ours), (_, theirs) in zip(tensors_of(back), tensors_of(raw), strict=True):
        assert ours.dtype == theirs.dtype, name
        assert torch.equal(ours, theirs), name
    assert [path.name for path in tmp_path.iterdir()] == ["one.npz"]


def test_empty_fields_stay_empty(tmp_path: Path) -> None:
    RawOutputs((3, 4), 1, 2).save(tmp_path / "a.npz")
    back = RawOutputs.load(tmp_path / "a.npz")
    assert all(getattr(back, column.name) is None for column in fields(back)[3:])
    none = replace(
        raw_outputs(),
        masks=raw_outputs().masks[[]],
        labels=torch.zeros(0, dtype=torch.int64),
        scores=torch.zeros(0),
    )
    none.save(tmp_path / "b.npz")
    assert len(RawOutputs.load(tmp_path / "b.npz").masks) == 0


def test_maps_of_an_affinity_come_back(tmp_path: Path) -> None:
    gamma = torch.nn.Parameter(torch.tensor(-0.3).bfloat16())
    maps = affinity_maps(gamma=gamma, phi1=torch.rand(3, 7, 9).half())
    replace(raw_outputs(), affinity=replace(maps, phi0=maps.phi0.bfloat16())).save(tmp_path / "one.npz")
    back = RawOutputs.load(tmp_path / "one.npz").affinity
    assert (back.stride, back.gamma) == ((4.0, 4.0), float(gamma.detach()))
    for name, dtype in (("sem_logits", torch.float32), ("phi0", torch.bfloat16), ("phi1", torch.float16)):
        assert torch.equal(getattr(back, name), getattr(maps, name).to(dtype)), name
    alone = affinity_maps(phi0=None, phi1=None, gamma=0.0)
    RawOutputs((24, 32), NUM_THINGS, NUM_CLASSES, affinity=alone).save(tmp_path / "two.npz")
    back = RawOutputs.load(tmp_path / "two.npz").affinity
    assert torch.equal(back.sem_logits, alone.sem_logits)
    assert (back.phi0, back.phi1, back.gamma) == (None, None, 0)


def test_what_a_fusion_by_affinity_reads() -> None:
    raw = replace(raw_outputs(), affinity=affinity_maps())
    assert raw.affinity_maps() is raw.affinity
    raw.affinity = None
    alone = raw.affinity_maps()
    assert alone.sem_logits is raw.sem_logits
    assert (alone.phi0, alone.stride) == (None, (1.0, 1.0))
    for logits, found in ((None, "none"), (torch.zeros(4, 24, 32), "4 channels")):
        with pytest.raises(ValueError, match=f"`sem_logits` of 5 channels, one for each class, got {found}"):
            replace(raw, sem_logits=logits).affinity_maps()


def test_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "one.npz"
    raw_outputs().save(path)
    before = path.read_bytes()

    def fail(*args: object, **arrays: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez_compressed", fail)
    with pytest.raises(OSError, match="disk full"):
        raw_outputs().save(path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["one.npz"]


def test_pickled_payload_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.npz"
    np.savez(path, version=np.array(1), size=np.array([object()], dtype=object), num_classes=np.array([1, 2]))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        RawOutputs.load(path)


def test_foreign_and_newer_files_are_refused(tmp_path: Path) -> None:
    for name, arrays in (("foreign", {}), ("newer", {"version": np.array(99)})):
        np.savez(tmp_path / f"{name}.npz", other=np.zeros(1), **arrays)
        with pytest.raises(ValueError, match=r"Expected a file of `RawOutputs.save`, version <= 1"):
            RawOutputs.load(tmp_path / f"{name}.npz")


def test_semantic_labels() -> None:
    logits = torch.tensor([[[1.0, 5.0, 2.0]], [[3.0, 5.0, 1.0]]])
    raw = RawOutputs((1, 3), 1, 2, sem_logits=logits)
    assert raw.semantic_labels().tolist() == [[1, 0, 0]]
    given = replace(raw, sem_seg=torch.tensor([[1, 255, 0]], dtype=torch.uint8))
    assert given.semantic_labels().tolist() == [[1, 255, 0]]
    assert given.semantic_labels().dtype == torch.int64
    with pytest.raises(ValueError, match=r"`sem_seg` or `sem_logits`, got neither"):
        RawOutputs((1, 3), 1, 2).semantic_labels()


def test_numpy_becomes_tensors_and_to_moves_all() -> None:
    raw = RawOutputs((1, 2), 1, 2, sem_seg=np.zeros((1, 2), np.uint8), scores=np.zeros(0, np.float32))
    assert isinstance(raw.sem_seg, torch.Tensor)
    assert raw.boxes is None
    moved = replace(raw_outputs("logits"), affinity=affinity_maps()).to("meta")
    assert {"affinity.phi1", "affinity.gamma"} < {name for name, _ in tensors_of(moved)}
    assert moved.device.type == "meta"
    assert {tensor.device.type for _, tensor in tensors_of(moved)} == {"meta"}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"size": (5, 5)}, ValueError, r"`sem_logits` to have the shape \(C, 5, 5\)"),
        (
            {"scores": torch.zeros(3)},
            ValueError,
            r"`scores` to have the shape \(N,\), one for each of `masks`, N = 4, got \(3,\)",
        ),
        ({"labels": torch.zeros(4)}, TypeError, r"`labels` to hold integers, got torch.float32"),
        ({"offsets": torch.zeros(1, 24, 32)}, ValueError, r"`offsets` to have the shape \(2, 24, 32\)"),
        ({"num_classes": 1}, ValueError, r"`num_classes` to be a whole number >= 2, got 1"),
        ({"masks": BoxMasks.from_crops([], torch.zeros(0, 4, dtype=torch.int64))}, ValueError, r"N = 0"),
        (
            {"affinity": affinity_maps(sem_logits=torch.zeros(4, 7, 9))},
            ValueError,
            r"`affinity.sem_logits` to have the shape \(5, 7, 9\), a channel for each class, got \(4, 7, 9\)",
        ),
        (
            {"affinity": affinity_maps(stride=(4.0, 3.5))},
            ValueError,
            r"to reach over the result, \(24, 32\), with a stride of \(4.0, 3.5\), got \(7, 9\) cells",
        ),
        ({"affinity": affinity_maps().to("meta")}, ValueError, "`affinity` on the device of `the other"),
    ],
)
def test_rejects_what_does_not_fit(change: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        replace(raw_outputs(), **change)
