"""OANet: losses, what is shared, the ranking at inference, the balance of gradients."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from mmdet.structures.mask import BitmapMasks
from mmengine.logging import MessageHub
from mmengine.structures import InstanceData
from torch import Tensor

from panoptic_fusion import BoxMasks
from panoptic_heads.common import RankingFusion
from panoptic_heads.oanet import OANet
from panoptic_heads.oanet.class_maps import class_map, conflict_labels, to_box_masks
from panoptic_heads.registry import HOOKS, MODELS

Make = Callable[..., dict[str, Any]]
STUFF_BRANCH = {
    "type": "panoptic_heads.StuffBranch",
    "num_things_classes": 2,
    "num_stuff_classes": 3,
    "in_channels": 16,
    "feat_channels": 16,
    "num_groups": 4,
    "loss": {"type": "panoptic_heads.SemanticCrossEntropy", "loss_weight": 0.25},
}
RANKING = {"type": "panoptic_heads.SpatialRanking", "num_things_classes": 2}


@pytest.fixture
def oanet(model_config: Make) -> Callable[..., OANet]:
    def make(**changes: Any) -> OANet:
        torch.manual_seed(0)
        parts: dict[str, Any] = {
            "type": "panoptic_heads.OANet",
            "semantic_head": STUFF_BRANCH,
            "ranking_head": RANKING,
            "panoptic_fusion_head": {"type": "panoptic_heads.RankingFusion", "stuff_area_limit": 4},
        }
        model: OANet = MODELS.build(model_config(**{**parts, **changes}))
        return model

    return make


def _wear(sample: Any) -> None:
    """Let the instance of class 1 be worn by that of class 0: the lower mask goes on below the upper one."""
    height, width = sample.gt_panoptic.shape
    masks = np.zeros((2, height, width), np.uint8)
    masks[0, 8:40, 8:90] = 1  # up to the other one and below it
    masks[1] = sample.gt_instances.masks.masks[1]
    sample.gt_instances.masks = BitmapMasks(masks, height, width)
    sample.gt_instances.bboxes[0] = torch.tensor([8.0, 8.0, 90.0, 40.0])


def _losses(model: OANet, batch: dict[str, Any]) -> dict[str, Any]:
    data = model.train().data_preprocessor(batch, training=True)
    return model.loss(data["inputs"], data["data_samples"])


@pytest.mark.parametrize(
    ("resolution", "sharing"),
    [("image", "fpn"), ("image", "backbone"), ("image", "none"), ("quarter", "fpn")],
    ids="+".join,
)
@pytest.mark.parametrize(
    "kinds", [("things", "things"), ("things", "void"), ("crowd", "stuff"), ("void", "void")], ids="+".join
)
def test_every_parameter_has_a_gradient_whatever_the_targets(
    resolution: str, sharing: str, kinds: tuple[str, ...], oanet: Callable[..., OANet], make_batch: Make
) -> None:
    model = oanet(
        sharing=sharing,
        ranking_head={**RANKING, "resolution": resolution},
        neck={"type": "FPN", "in_channels": [8, 16, 32, 64], "out_channels": 16, "num_outs": 6},
    )
    batch = make_batch(*kinds)
    if kinds == ("things", "things"):
        _wear(batch["data_samples"][1])
    total, logs = model.parse_losses(_losses(model, batch))
    total.backward()
    assert all(torch.isfinite(value).all() for value in logs.values())
    assert [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None] == []
    assert (logs["loss_ranking"] > 0) == (kinds == ("things", "things"))


@pytest.mark.parametrize("size", [(64, 96), (60, 90)], ids=str)
def test_ranking_loss_is_the_functions_put_together(
    size: tuple[int, int], oanet: Callable[..., OANet], make_batch: Make
) -> None:
    model = oanet(ranking_head={**RANKING, "loss_weight": 0.5})
    for parameter in model.ranking_head.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    batch = make_batch("things", "stuff", size=size)
    worn = batch["data_samples"][0]
    _wear(worn)
    drawn = class_map(
        to_box_masks(worn.gt_instances.masks, torch.device("cpu")), torch.tensor([0, 1]), size, 2
    )
    label = conflict_labels(drawn, worn.gt_panoptic)
    # Class 0 goes on under class 1 at columns 50-79, rows 20-39: there 1 is on top.
    expected_label = torch.full(size, 255)
    expected_label[20:40, 50:80] = 1
    assert torch.equal(label, expected_label)
    logits = model.ranking_head(drawn[None].float())
    expected = 0.5 * torch.nn.functional.cross_entropy(logits, label[None], ignore_index=255)
    torch.testing.assert_close(_losses(model, batch)["loss_ranking"], expected)


def test_ranking_loss_reaches_the_ranking_module_alone(oanet: Callable[..., OANet], make_batch: Make) -> None:
    model = oanet()
    batch = make_batch("things")
    _wear(batch["data_samples"][0])
    _losses(model, batch)["loss_ranking"].backward()
    reached = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None}
    assert reached == {"ranking_head"}


def test_without_a_ranking_module_there_is_no_ranking(oanet: Callable[..., OANet], make_batch: Make) -> None:
    model = oanet(
        ranking_head=None, panoptic_fusion_head={"type": "panoptic_heads.RankingFusion", "order": "score"}
    )
    batch = make_batch("things")
    assert "loss_ranking" not in _losses(model, batch)
    data = model.eval().data_preprocessor(make_batch("things"), training=False)
    with torch.no_grad():
        (output,) = model.predict_raw(data["inputs"], data["data_samples"])
    assert output.raw.ranking is None
    model.fuse(output.raw)


# --- what is shared


@pytest.mark.parametrize("sharing", ["fpn", "backbone", "none"])
def test_losses_meet_in_what_is_shared(sharing: str, oanet: Callable[..., OANet], make_batch: Make) -> None:
    model = oanet(sharing=sharing)
    losses = _losses(model, make_batch("things"))
    losses["loss_semantic"].backward()
    touched = {
        name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None and p.grad.any()
    }
    expected = {
        "fpn": {"backbone", "neck"},
        "backbone": {"backbone", "stuff_neck"},
        "none": {"stuff_backbone", "stuff_neck"},
    }
    assert touched == {"semantic_head", *expected[sharing]}
    model.zero_grad(set_to_none=True)
    _losses(model, make_batch("things"))["loss_mask"].backward()
    touched = {
        name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None and p.grad.any()
    }
    assert touched == {"roi_head", "backbone", "neck"}


@pytest.mark.parametrize("sharing", ["backbone", "none"])
@pytest.mark.parametrize("tta", [None, {"scales": [0.5, 1.0]}], ids=["plain", "tta"])
def test_every_way_through_the_network_knows_both_pyramids(
    sharing: str, tta: Any, oanet: Callable[..., OANet], make_batch: Make
) -> None:
    model = oanet(sharing=sharing, tta=tta).eval()
    seen = []
    model.stuff_neck.register_forward_hook(lambda *args: seen.append(args[2]))
    data = model.data_preprocessor(make_batch("things"), training=False)
    read = []
    model.semantic_head.register_forward_pre_hook(lambda _, args: read.append(args[0]))
    with torch.no_grad():
        samples = model.predict(data["inputs"], data["data_samples"])
        if tta is None:
            model(data["inputs"], mode="tensor")
    assert len(samples[0].pred_panoptic) > 0
    assert read
    for levels in read:
        assert any(all(a is b for a, b in zip(levels, own, strict=True)) for own in seen)


# --- inference


def test_raw_outputs_hold_ranking_and_stuff_everywhere(oanet: Callable[..., OANet], make_batch: Make) -> None:
    model = oanet(ranking_score_thr=0.0).eval()
    model.semantic_head.score.bias.data[0] = 9.0  # a thing wins everywhere
    model.keep_sem_logits = True
    for parameter in model.ranking_head.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    batch = make_batch("things", size=(60, 90))
    batch["data_samples"][0].set_metainfo({"ori_shape": (120, 180), "scale_factor": (0.5, 0.5)})
    data = model.data_preprocessor(batch, training=False)
    with torch.no_grad():
        (output,) = model.predict_raw(data["inputs"], data["data_samples"])
        (plain,) = model.predict_raw(data["inputs"], data["data_samples"], rescale=False)
    raw = output.raw
    assert raw.ranking.shape == (2, 120, 180)
    assert len(raw.masks) > 0
    assert torch.equal(raw.sem_seg, raw.sem_logits[2:].argmax(dim=0) + 2)
    assert output.sem_seg.eq(0).all()
    drawn = class_map(plain.raw.masks, plain.raw.labels, (60, 90), 2)
    with torch.no_grad():
        expected = model.ranking_head(drawn[None].float())
    torch.testing.assert_close(plain.raw.ranking, expected[0])  # the input's size, without padding
    larger = torch.nn.functional.interpolate(expected, size=(120, 180), mode="bilinear", align_corners=False)
    torch.testing.assert_close(raw.ranking, larger[0])
    sample = model.predict(data["inputs"], data["data_samples"])[0]
    assert sample.pred_sem_seg.sem_seg.eq(0).all()  # mean IoU is of all classes


def test_mean_iou_only_where_every_class_is_predicted(oanet: Callable[..., OANet], make_batch: Make) -> None:
    model = oanet(semantic_head={**STUFF_BRANCH, "supervise": "stuff"}).eval()
    data = model.data_preprocessor(make_batch("things"), training=False)
    with torch.no_grad():
        sample = model.predict(data["inputs"], data["data_samples"])[0]
    assert "pred_sem_seg" not in sample
    assert sample.pred_panoptic.label_map().ge(2).any()


def test_only_certain_instances_are_ranked(oanet: Callable[..., OANet], make_batch: Make) -> None:
    assert oanet().ranking_score_thr == 0.5  # the fusion's
    model = oanet(ranking_score_thr=0.9).eval()
    drawn: list[Tensor] = []
    model.ranking_head.register_forward_pre_hook(lambda _, args: drawn.append(args[0]))
    data = model.data_preprocessor(make_batch("things"), training=False)
    boxes, masks = torch.tensor([[8.0, 8.0, 40.0, 40.0]] * 2), torch.full((2, 8, 8), 9.0)
    found = InstanceData(
        bboxes=boxes, scores=torch.tensor([0.95, 0.6]), labels=torch.tensor([1, 0]), mask_logits=masks
    )
    model.predict_things = lambda features, samples: [(found, found)]
    with torch.no_grad():
        model.predict_raw(data["inputs"], data["data_samples"])
    unsure, sure = drawn[0][0].flatten(1).sum(dim=1).tolist()
    assert unsure == 0
    assert sure == 32 * 32 - 4  # pasting rounds the corners off


def _worn_instances() -> tuple[BoxMasks, Tensor, Tensor]:
    boxes = torch.tensor([[8.0, 4.0, 60.0, 60.0], [20.0, 20.0, 40.0, 40.0]])
    return (
        BoxMasks.from_logits(torch.full((2, 8, 8), 9.0), boxes),
        torch.tensor([0, 1]),
        torch.tensor([0.99, 0.6]),  # the wearer is surer
    )


def test_a_worn_object_ends_above_its_wearer(oanet: Callable[..., OANet], make_batch: Make) -> None:
    """Train the module on one scene, then let predicted masks of another place and size be ranked."""
    model = oanet()
    batch = make_batch("things")
    _wear(batch["data_samples"][0])
    optimizer = torch.optim.Adam(model.ranking_head.parameters(), lr=0.05)
    data = model.train().data_preprocessor(batch, training=True)
    state = SimpleNamespace(samples=data["data_samples"])
    for _ in range(40):
        loss = model.extra_losses(state)["loss_ranking"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1
    model.eval()
    masks, labels, scores = _worn_instances()
    found = InstanceData(bboxes=masks.boxes, scores=scores, labels=labels, mask_logits=masks.mask_logits)
    model.predict_things = lambda features, samples: [(found, found)]
    data = model.data_preprocessor(make_batch("stuff"), training=False)
    with torch.no_grad():
        sample = model.predict(data["inputs"], data["data_samples"])[0]
    things = sample.pred_panoptic.label_map()
    assert things[21:39, 21:39].eq(1).all()
    assert things[5:59, 9:19].eq(0).all()
    model.panoptic_fusion_head = RankingFusion(order="score", stuff_area_limit=4)
    with torch.no_grad():
        sample = model.predict(data["inputs"], data["data_samples"])[0]
    assert not sample.pred_panoptic.label_map().eq(1).any()  # covered by its wearer, and so left out


# --- the balance of gradients


@pytest.mark.parametrize("sharing", ["fpn", "none"])
def test_gradients_of_each_branch_at_the_last_map(
    sharing: str, oanet: Callable[..., OANet], make_batch: Make
) -> None:
    model = oanet(sharing=sharing)
    maps: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        return lambda _, __, levels: (levels[-1].retain_grad(), maps.update({name: levels[-1]}))[0]

    model.backbone.register_forward_hook(keep("instance"))
    if sharing == "none":
        model.stuff_backbone.register_forward_hook(keep("stuff"))
    model.measure_gradients = True
    torch.manual_seed(1)
    losses = _losses(model, make_batch("things"))
    assert model._last_maps == {}  # nothing keeps the graph
    assert all(p.grad is None for p in model.parameters())
    for branch in ("instance", "stuff"):
        last = maps.get(branch, maps["instance"])
        last.grad = None
        chosen = {
            name: value for name, value in losses.items() if (name == "loss_semantic") == (branch == "stuff")
        }
        chosen.pop("loss_ranking", None)
        model.parse_losses(chosen)[0].backward(retain_graph=True)
        expected = last.grad.abs().mean() * (4 if branch == "stuff" else 1)  # the weight is a quarter
        assert model.gradient_balance[branch] == pytest.approx(expected.item(), rel=1e-4)
        assert expected > 0


def test_measuring_changes_no_gradient(oanet: Callable[..., OANet], make_batch: Make) -> None:
    gradients = []
    for measure in (False, True):
        model = oanet()
        model.measure_gradients = measure
        torch.manual_seed(1)
        model.parse_losses(_losses(model, make_batch("things")))[0].backward()
        gradients.append([p.grad for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[SimpleNamespace]:
    hub = MessageHub.get_instance("gradient balance")
    yield SimpleNamespace(work_dir=str(tmp_path), iter=0, message_hub=hub, model=None)
    MessageHub._instance_dict.pop("gradient balance", None)


def test_hook_writes_every_interval(
    runner: SimpleNamespace, oanet: Callable[..., OANet], make_batch: Make
) -> None:
    hook = HOOKS.build({"type": "panoptic_heads.GradientBalanceHook", "interval": 2})
    model = runner.model = oanet()
    hook.before_train(runner)
    for runner.iter in range(3):
        hook.before_train_iter(runner, runner.iter)
        _losses(model, make_batch("things"))
        hook.after_train_iter(runner, runner.iter)
    lines = [json.loads(line) for line in Path(runner.work_dir, hook.file).read_text().splitlines()]
    assert [line["iter"] for line in lines] == [1, 3]
    assert all(line["instance"] > 0 and line["stuff"] > 0 for line in lines)
    logged = runner.message_hub.get_scalar("train/gradient_stuff")
    assert logged.current() == pytest.approx(lines[-1]["stuff"])


def test_errors(runner: SimpleNamespace, oanet: Callable[..., OANet], make_batch: Make) -> None:
    with pytest.raises(ValueError, match=r"`sharing` to be one of .*, got 'all'"):
        oanet(sharing="all")
    batch = make_batch("things")
    del batch["data_samples"][0].gt_panoptic
    with pytest.raises(ValueError, match=r"`gt_panoptic`, .*End the training pipeline with"):
        _losses(oanet(), batch)
    model = oanet(semantic_head={**STUFF_BRANCH, "loss": {**STUFF_BRANCH["loss"], "loss_weight": 0.0}})
    model.measure_gradients = True
    with pytest.raises(ValueError, match=r"a stuff loss of a weight above 0"):
        _losses(model, make_batch("things"))
    with pytest.raises(ValueError, match=r"`interval` to be at least 1, got 0"):
        HOOKS.build({"type": "panoptic_heads.GradientBalanceHook", "interval": 0})
    runner.model = SimpleNamespace()
    with pytest.raises(TypeError, match=r"two branches, got SimpleNamespace"):
        HOOKS.build({"type": "panoptic_heads.GradientBalanceHook"}).before_train(runner)
