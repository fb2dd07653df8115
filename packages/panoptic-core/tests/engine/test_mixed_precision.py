from collections.abc import Callable

import pytest
import torch
from mmengine.runner import Runner

from panoptic_core.engine import Bfloat16OptimWrapper
from panoptic_core.engine.mixed_precision import mixed_precision


def test_the_forward_pass_runs_in_bfloat16() -> None:
    layer = torch.nn.Linear(2, 2)
    wrapper = Bfloat16OptimWrapper(torch.optim.SGD(layer.parameters(), lr=0.1))
    with wrapper.optim_context(layer):
        out = layer(torch.ones(1, 2))
    assert out.dtype == torch.bfloat16
    assert layer(torch.ones(1, 2)).dtype == torch.float32
    wrapper.update_params(out.float().sum())
    assert layer.weight.dtype == torch.float32


@pytest.mark.skipif(torch.cuda.is_available(), reason="the CPU's choice")
def test_training_on_the_cpu(train: Callable[..., Runner]) -> None:
    config = mixed_precision({"type": "OptimWrapper", "optimizer": {"type": "SGD", "lr": 0.01}})
    runner = train(optim_wrapper=config)
    assert isinstance(runner.optim_wrapper, Bfloat16OptimWrapper)
    losses = runner.message_hub.get_scalar("train/loss").data[0]
    assert losses[-1] < losses[0] * 10  # it ran, and did not blow up
    assert torch.isfinite(torch.tensor(losses)).all()


def test_the_choice_by_device(monkeypatch: pytest.MonkeyPatch) -> None:
    wrapper = {"type": "OptimWrapper", "optimizer": {}, "clip_grad": {"max_norm": 5}}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert mixed_precision(wrapper) == {
        **wrapper,
        "type": "AmpOptimWrapper",
        "loss_scale": "dynamic",
        "dtype": "float16",
    }
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert mixed_precision(wrapper) == {**wrapper, "type": "panoptic_core.Bfloat16OptimWrapper"}
