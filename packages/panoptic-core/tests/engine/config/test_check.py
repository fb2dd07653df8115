from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from panoptic_core.engine import ConfigError, check_config

Changed = Callable[..., Config]


def _problems(cfg: Config, task: str = "train") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        check_config(cfg, task)
    return caught.value.problems


def test_a_right_config_passes(changed: Changed) -> None:
    check_config(changed())


def test_all_mistakes_at_once(changed: Changed) -> None:
    cfg = changed(
        model__backbone__type="ConfigToyBackbon",
        model__bbox_head__numclasses=3,
        optim_wrapper__optimizer__momentun=0.9,
        train_dataloader__batchsize=2,
        train_dataloader__dataset__ann_file="b.json",
    )
    with pytest.raises(ConfigError) as caught:
        check_config(cfg)
    text = str(caught.value)
    assert "5 mistakes" in text
    assert "nothing was built" in text
    for expected in (
        "`model.backbone`: no component is registered as `ConfigToyBackbon`. Did you mean `ConfigToyBack",
        "`model.bbox_head`: ToyHead takes no `numclasses`.",
        "`optim_wrapper.optimizer`: SGD takes no `momentun`.",
        "`train_dataloader` takes no `batchsize`. Did you mean `batch_size`?",
        "b.json`, which does not exist.",
    ):
        assert expected in text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"model": None}, "`model` is missing; training needs it."),
        ({"model__backbone__depth": None}, "`model.backbone`: ToyBackbone needs `depth`."),
        ({"model__bbox_head__loss__type": "CrossEntropyLos"}, "Did you mean `CrossEntropyLoss`?"),
        (
            {"train_dataloader__sampler__rond_up": True},
            "DefaultSampler takes no `rond_up`. Did you mean `round_up`?",
        ),
        ({"param_scheduler__0__start": 0.1}, "`param_scheduler.0`: LinearLR takes no `start`."),
        ({"train_cfg__max_iter": 3}, "IterBasedTrainLoop takes no `max_iter`."),
        (
            {"val_evaluator__classwize": True},
            "PanopticQuality takes no `classwize`. Did you mean `classwise`?",
        ),
        ({"randomness__sed": 3}, "`randomness` takes no `sed`. Did you mean `seed`?"),
        ({"custom_hooks": [{"type": "EMAHok"}]}, "`custom_hooks.0`: no component is registered as `EMAHok`."),
        ({"compile": True}, "`compile` is not offered"),
        ({"auto_scale_lr": {"enable": True}}, "`auto_scale_lr` needs `base_batch_size`"),
        (
            {"train_dataloader__dataset__data_root": "/nowhere"},
            "is `/nowhere`. Give the folder by --data-root.",
        ),
        ({"train_dataloader__dataset__data_prefix__img": "img"}, "data_prefix.img"),
        ({"model__backbone__init_cfg": {"type": "Pretrained", "checkpoint": "r50.pth"}}, "no file `r50.pth`"),
    ],
)
def test_each_kind_of_mistake(changed: Changed, changes: dict[str, Any], expected: str) -> None:
    assert any(expected in problem for problem in _problems(changed(**changes)))


def test_numbers_of_classes_are_held_against_the_data_set(changed: Changed) -> None:
    cfg = changed(
        model__bbox_head__num_classes=80,
        model__semantic_head={"type": "ConfigToyHead", "num_classes": 19, "num_stuff_classes": 53},
    )
    cfg.model.semantic_head.pop("num_stuff_classes")
    (problem,) = _problems(cfg)
    assert problem.startswith(
        "`model.bbox_head.num_classes` is 80, but `train_dataloader.dataset` and `val_dataloader.dataset` "
        "(Cityscapes): 8 thing classes. Set it to 8"
    )


@pytest.mark.parametrize("kind", ["os.system", "builtins.exec", "subprocess.run"])
def test_a_function_that_nobody_registered_is_no_component(changed: Changed, kind: str) -> None:
    problems = _problems(changed(custom_hooks=[{"type": kind, "command": "true"}]))
    assert problems == [f"`custom_hooks.0`: no component is registered as `{kind}`."]


def test_testing_looks_at_what_testing_needs(changed: Changed) -> None:
    cfg = changed(optim_wrapper__optimizer__momentun=0.9)
    cfg.test_dataloader, cfg.test_evaluator, cfg.test_cfg = cfg.val_dataloader, cfg.val_evaluator, {}
    check_config(cfg, "test")
    cfg.test_dataloader.dataset.ann_file = "b.json"
    assert any("b.json" in problem for problem in _problems(cfg, "test"))


def test_components_with_open_arguments(changed: Changed, tmp_path: Path) -> None:
    # CheckpointHook hands **kwargs on to Runner.save_checkpoint: anything may be an argument.
    cfg = changed(default_hooks={"checkpoint": {"type": "CheckpointHook", "interval": 1, "anything": 1}})
    check_config(cfg)
