from collections.abc import Callable
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.optim import CosineAnnealingLR, LinearLR, MultiStepLR, PolyLR

from panoptic_core.engine import RunOptions
from panoptic_core.engine.config import ConfigError, prepare_config
from panoptic_core.engine.config.batch_size import scale_learning_rate, scale_schedule

Changed = Callable[..., Config]


def test_the_linear_scaling_rule(changed: Changed) -> None:
    cfg = changed(auto_scale_lr={"base_batch_size": 8, "enable": True})
    # 2 images x 4 processes x 3 accumulated steps = 24 = 3 x 8: three times the learning rate.
    cfg.optim_wrapper.accumulative_counts = 3
    assert "this run has 24. It is scaled to 0.06." in scale_learning_rate(cfg, 4)
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(0.06)
    assert not cfg.auto_scale_lr.enable  # MMEngine must not scale again


def test_an_accumulated_batch_that_is_the_configs_is_left_alone(changed: Changed) -> None:
    cfg = changed(auto_scale_lr={"base_batch_size": 8, "enable": True})
    cfg.optim_wrapper.accumulative_counts = 4  # 2 images x 1 process x 4 accumulated steps = 8
    assert scale_learning_rate(cfg, 1) == ""
    assert cfg.optim_wrapper.optimizer.lr == 0.02
    assert not cfg.auto_scale_lr.enable  # MMEngine would see a batch of 2, and take a quarter of the rate


def test_the_schedule_sees_as_many_images(changed: Changed) -> None:
    cfg = changed(auto_scale_lr={"base_batch_size": 16})
    cfg.train_cfg = {"type": "IterBasedTrainLoop", "max_iters": 12_000, "val_interval": 3_000}
    cfg.param_scheduler = [
        {"type": LinearLR, "start_factor": 0.1, "by_epoch": False, "begin": 0, "end": 1_500},
        {"type": MultiStepLR, "by_epoch": False, "end": 12_000, "milestones": [9_000, 11_000], "gamma": 0.1},
        {"type": "CosineAnnealingLR", "by_epoch": False, "begin": 30, "T_max": 99, "eta_min": 0.5},
        {"type": PolyLR, "by_epoch": False, "end": float("inf"), "power": 0.9},
        {"type": CosineAnnealingLR, "T_max": 12},  # counts epochs: they have as many images anyway
    ]
    # 2 images x 1 process: 16 / 2 = 8 times the iterations, accumulated or not.
    cfg.optim_wrapper.accumulative_counts = 8
    note = scale_schedule(cfg, 1)
    assert note == (
        "The schedule was made for 16 images an iteration; this run loads 2. max_iters 12000 -> 96000, "
        "val_interval 3000 -> 24000, lengths of schedulers times 8."
    )
    warmup, steps, cosine, poly, epochs = cfg.param_scheduler
    assert (warmup.begin, warmup.end, warmup.start_factor) == (0, 12_000, 0.1)
    assert (steps.end, list(steps.milestones), steps.gamma) == (96_000, [72_000, 88_000], 0.1)
    assert (cosine.begin, cosine.T_max, cosine.eta_min) == (240, 792, 0.5)
    assert (poly.end, poly.power) == (float("inf"), 0.9)
    assert epochs.T_max == 12
    assert cfg.optim_wrapper.optimizer.lr == 0.02  # eight accumulated batches of 2 are the config's 16
    assert scale_learning_rate(cfg, 1) == ""


def test_a_larger_batch_shortens_and_epochs_stay(changed: Changed) -> None:
    cfg = changed(auto_scale_lr={"base_batch_size": 4})
    cfg.train_cfg = {"by_epoch": True, "max_epochs": 12, "val_interval": 1}
    cfg.param_scheduler = {"type": "LinearLR", "by_epoch": False, "begin": 0, "end": 1}
    assert "lengths of schedulers times 0.25" in scale_schedule(cfg, 8)
    assert cfg.train_cfg == {"by_epoch": True, "max_epochs": 12, "val_interval": 1}
    assert cfg.param_scheduler.end == 1  # 0.25 of an iteration is one


def test_what_cannot_be_scaled_says_so(changed: Changed) -> None:
    with pytest.raises(ValueError, match=r"does not say which batch.*base_batch_size=16"):
        scale_schedule(changed(auto_scale_lr=None), 1)
    cfg = changed(auto_scale_lr={"base_batch_size": 4})
    cfg.param_scheduler = [{"type": "ExponentialLR", "gamma": 0.99, "by_epoch": False}]
    with pytest.raises(ValueError, match=r"gamma = 0\.99 an iteration.*0\.5-th power"):
        scale_schedule(cfg, 1)


def test_the_option(config_file: Path) -> None:
    cfg, notes = prepare_config(RunOptions(config_file, auto_scale_schedule=True, auto_scale_lr=True))
    assert cfg.train_cfg.max_iters == 16  # 4 iterations of 8 images, in batches of 2
    assert ["learning rate" in notes[0], "schedule" in notes[1]] == [True, True]
    with pytest.raises(ConfigError, match="does not say which batch"):
        prepare_config(
            RunOptions(
                config_file, auto_scale_schedule=True, cfg_options={"auto_scale_lr.base_batch_size": 0}
            )
        )
