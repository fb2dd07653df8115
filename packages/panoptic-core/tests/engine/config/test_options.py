import os
from collections.abc import Callable
from pathlib import Path

import pytest
from mmengine.config import Config

from panoptic_core.engine import ConfigError, RunOptions, load_config, prepare_config, runs
from panoptic_core.engine.config.data import set_data_root

Changed = Callable[..., Config]


def test_the_run_of_a_config(config_file: Path) -> None:
    cfg, notes = prepare_config(RunOptions(config_file))
    assert cfg.work_dir == "work_dirs/toy"
    assert cfg.default_hooks.checkpoint.type == "panoptic_core.AtomicCheckpointHook"
    assert cfg.default_hooks.checkpoint.interval == 4
    assert not cfg.default_hooks.checkpoint.by_epoch
    assert cfg.log_processor.type == "panoptic_core.ReadableLogProcessor"
    assert cfg.custom_hooks[-1].type == "panoptic_core.ProgressHook"
    (note,) = notes
    assert note.startswith(
        "The learning rate 0.02 was chosen for batches of 8 images; this run has 2. It is kept"
    )
    assert note.endswith("--auto-scale-lr makes it 0.005.")


def test_missing_and_broken_config_files(tmp_path: Path, config_file: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"to\.py`, but there is none\. Did you mean `toy\.py`\?"):
        load_config(tmp_path / "to.py")
    (tmp_path / "broken.py").write_text("model = dict(")
    with pytest.raises(ConfigError, match=r"broken\.py`; nothing was built.\n  1\. The file cannot be read"):
        load_config(tmp_path / "broken.py")


def test_overrides(config_file: Path) -> None:
    overrides = {
        "train_dataloader.batch_size": 8,
        "train_dataloader.num_workers": 0,  # not in the file, but a dataloader takes it
        "model.backbone.width": 2,
        "param_scheduler.0.end": 3,
        "optim_wrapper.clip_grad.max_norm": 5,
        "find_unused_parameters": True,
    }
    cfg, notes = prepare_config(RunOptions(config_file, cfg_options=overrides))
    assert cfg.train_dataloader.batch_size == 8
    assert cfg.train_dataloader.num_workers == 0
    assert cfg.model.backbone.width == 2
    assert cfg.param_scheduler[0].end == 3
    assert cfg.optim_wrapper.clip_grad.max_norm == 5
    assert notes == []


@pytest.mark.parametrize("order", [1, -1])
def test_a_new_type_takes_its_own_arguments(config_file: Path, order: int) -> None:
    typed = [("optim_wrapper.optimizer.type", "Adam"), ("optim_wrapper.optimizer.eps", 0.1)][::order]
    cfg, _ = prepare_config(RunOptions(config_file, check=False, cfg_options=dict(typed)))
    assert (cfg.optim_wrapper.optimizer.type, cfg.optim_wrapper.optimizer.eps) == ("Adam", 0.1)
    wrong = {"optim_wrapper.optimizer.type": "Adam", "optim_wrapper.optimizer.epsilon": 0.1}
    with pytest.raises(ConfigError, match=r"`optim_wrapper\.optimizer` has no `epsilon`"):
        prepare_config(RunOptions(config_file, check=False, cfg_options=wrong))


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (
            "train_dataloder.batch_size",
            "there is no entry `train_dataloder`. Did you mean `train_dataloader`?",
        ),
        ("train_dataloader.batchsize", "`train_dataloader` has no `batchsize`. Did you mean `batch_size`?"),
        ("model.backbone.dept", "`model.backbone` has no `dept`. Did you mean `depth`?"),
        ("model.backbone.depth.x", "`model.backbone.depth` is 18, which has no `x`."),
        ("param_scheduler.1.end", "`param_scheduler` is a list of 1; `1` is no index of it."),
        ("data_root", "is a variable of the config file; changing it now changes nothing."),
    ],
)
def test_override_keys_that_lead_nowhere(config_file: Path, key: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        prepare_config(RunOptions(config_file, cfg_options={key: 1}))
    assert f"`--cfg-options {key}=...`: " in str(caught.value)
    assert expected in str(caught.value)


def test_the_data_root_of_every_data_set(changed: Changed, tmp_path: Path) -> None:
    cfg = changed()
    old = cfg.data_root
    cfg.train_dataloader.dataset = {"type": "ConcatDataset", "datasets": [cfg.train_dataloader.dataset] * 2}
    cfg.val_evaluator = [{"type": "CocoMetric", "ann_file": f"{old}/a.json", "prefix": f"{old}x"}]
    assert set_data_root(cfg, "/new") == []
    assert [dataset.data_root for dataset in cfg.train_dataloader.dataset.datasets] == ["/new", "/new"]
    assert cfg.val_dataloader.dataset.data_root == "/new"
    assert cfg.val_evaluator[0].ann_file == "/new/a.json"
    assert cfg.val_evaluator[0].prefix == f"{old}x"
    without = Config({"train_dataloader": {"dataset": {"type": "GeneratedScenes"}}})
    assert "nothing to set" in set_data_root(without, "/new")[0]


def test_data_that_are_not_there_name_the_cure(config_file: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        prepare_config(RunOptions(config_file, data_root="/nowhere"))
    assert caught.value.problems == [
        f"The data are not there: `{name}.dataset.data_root` is `/nowhere`. Give the folder by --data-root."
        for name in ("train_dataloader", "val_dataloader")
    ]


def test_resume_and_load_from(config_file: Path, tmp_path: Path) -> None:
    weights = tmp_path / "w.pth"
    weights.write_bytes(b"")
    cfg, _ = prepare_config(RunOptions(config_file, resume="auto"))
    assert cfg.resume
    assert cfg.load_from is None
    cfg, _ = prepare_config(RunOptions(config_file, resume=str(weights)))
    assert cfg.resume
    assert cfg.load_from == str(weights)
    cfg, _ = prepare_config(RunOptions(config_file, load_from=str(weights)))
    assert not cfg.resume
    for options in (
        RunOptions(config_file, resume="gone.pth"),
        RunOptions(config_file, load_from="gone.pth"),
        RunOptions(config_file, resume="auto", load_from=str(weights)),
    ):
        with pytest.raises(ConfigError, match=r"no file `gone\.pth`|exclude each other"):
            prepare_config(options)


def test_testing_takes_the_validation_set_if_there_is_no_other(config_file: Path, tmp_path: Path) -> None:
    weights = tmp_path / "w.pth"
    weights.write_bytes(b"")
    cfg, _ = prepare_config(RunOptions(config_file, checkpoint=str(weights)), "test")
    assert cfg.test_dataloader.dataset.test_mode
    assert cfg.test_evaluator.type == "panoptic_core.PanopticQuality"
    assert cfg.train_dataloader is None
    assert cfg.val_dataloader is None
    assert cfg.load_from == str(weights)


def test_seed_amp_and_launcher(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cfg, _ = prepare_config(RunOptions(config_file, seed=7, amp=True))
    assert cfg.randomness.seed == 7
    assert cfg.optim_wrapper.type in ("panoptic_core.Bfloat16OptimWrapper", "AmpOptimWrapper")
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(RuntimeError, match=r"RANK, .*torchrun --nproc_per_node=N"):
        prepare_config(RunOptions(config_file, launcher="pytorch"))
    for name, value in {"RANK": "0", "WORLD_SIZE": "4", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    cfg, notes = prepare_config(RunOptions(config_file, launcher="pytorch"))
    assert cfg.model_wrapper_cfg.type == "panoptic_core.AnyDeviceDistributedDataParallel"
    assert not cfg.model_wrapper_cfg.find_unused_parameters
    assert notes == []  # 2 images in each of 4 processes are the 8 of the config
    assert os.environ["WORLD_SIZE"] == "4"


def test_no_check(config_file: Path) -> None:
    overrides = {"model.backbone.depth": "deep"}
    prepare_config(RunOptions(config_file, check=False, cfg_options=overrides, data_root="/nowhere"))


NEW_STYLE = """
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.optim import LinearLR, OptimWrapper
from mmengine.runner import IterBasedTrainLoop, ValLoop
from torch.optim import SGD
from panoptic_core.evaluation import PanopticQuality

model = dict(type="ConfigToyDetector", backbone=dict(type="ConfigToyBackbone", depth=18))
dataset = dict(type="ConfigToyDataset", data_root="{root}", ann_file="a.json", data_prefix=dict(img="images"))
train_dataloader = dict(dataset=dataset, sampler=dict(type=InfiniteSampler), batch_size=2)
val_dataloader = dict(dataset=dataset, sampler=dict(type=DefaultSampler, shuffle=False))
val_evaluator = [dict(type=PanopticQuality)]
val_cfg = dict(type=ValLoop)
train_cfg = dict(type=IterBasedTrainLoop, max_iters=4)
optim_wrapper = dict(type=OptimWrapper, optimizer=dict(type=SGD, lr=0.02))
param_scheduler = [dict(type=LinearLR, start_factor=0.1)]
auto_scale_lr = dict(base_batch_size=8)
"""


@pytest.mark.parametrize("task", ["train", "test"])
def test_a_new_style_config_can_be_written_again(tmp_path: Path, config_file: Path, task: str) -> None:
    path = tmp_path / "new.py"
    path.write_text(NEW_STYLE.replace("{root}", str(tmp_path / "gone")))
    (tmp_path / "w.pth").write_bytes(b"")
    options = RunOptions(
        path,
        checkpoint=str(tmp_path / "w.pth"),
        data_root=str(tmp_path / "data"),
        amp=True,
        auto_scale_lr=True,
        seed=3,
        cfg_options={"param_scheduler.0.start_factor": 0.5} if task == "train" else {},
    )
    cfg, _ = prepare_config(options, task)
    again = Config.fromstring(cfg.pretty_text, ".py")
    loader = "train_dataloader" if task == "train" else "test_dataloader"
    assert again[loader].dataset.data_root == str(tmp_path / "data")
    assert again[loader].sampler.type.startswith("mmengine.")


def test_everything_that_cannot_be_imported(tmp_path: Path) -> None:
    path = tmp_path / "new.py"
    lines = [
        "from mmengine.optim import LinearRL",
        "from no_such_package.parts import Part",
        "from torch.optim import SGD",
        "param_scheduler = [dict(type=LinearRL)]",
        "model = dict(type=Part, head=dict(type=Part))",
        "optim_wrapper = dict(optimizer=dict(type=SGD))",
    ]
    path.write_text("\n".join(lines))
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    first, second = caught.value.problems
    assert "LinearRL" in first
    assert "Did you mean `LinearLR`?" in first
    assert "No module named 'no_such_package'" in second


def test_test_time_augmentation(config_file: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "weights.pth"
    checkpoint.write_bytes(b"")
    options = RunOptions(config_file, checkpoint=str(checkpoint), tta=True)
    with pytest.raises(ConfigError, match=r"`--tta`: .* papers have none; .* add `tta = dict\(scales="):
        prepare_config(options, "test")
    config_file.write_text(config_file.read_text() + "tta = dict(scales=[0.5, 1.0])\n")
    with pytest.raises(ConfigError, match=r"`model`: ToyDetector takes no `tta`"):
        prepare_config(options, "test")
    options.check = False
    options.cfg_options = {"tta.flip": False, "tta.scales": [1.0, 2.0]}
    cfg, _ = prepare_config(options, "test")
    assert cfg.model.tta == {"scales": [1.0, 2.0], "flip": False}
    options.tta = False
    assert "tta" not in prepare_config(options, "test")[0].model


class _StoppedError(Exception):
    pass


def test_the_measures_beside_pq_are_counted_as_pq_is(
    config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = tmp_path / "weights.pth"
    checkpoint.write_bytes(b"")
    options = RunOptions(config_file, checkpoint=str(checkpoint), check=False)
    options.cfg_options = {"test_evaluator": [{"type": "panoptic_core.PanopticQuality", "mode": "exact"}]}
    seen: list[Config] = []

    def stop(cfg: Config) -> None:
        seen.append(cfg)
        raise _StoppedError

    monkeypatch.setattr(runs.PanopticRunner, "from_cfg", stop)
    with pytest.raises(_StoppedError):
        runs.evaluate(options, extended=["errors"])
    added = seen[0].test_evaluator[-1]
    assert (added["type"], added["mode"]) == ("panoptic_core.ExtendedPanopticQuality", "exact")
    assert added["measures"] == ["errors"]
