import torch
from torch import nn

from panoptic_core.engine.checkpoint import match_weights, state_dict_of


def _model(classes: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, classes))


def test_another_number_of_classes_is_listed() -> None:
    weights = {**_model(80).state_dict(), "extra.weight": torch.zeros(1)}
    del weights["1.num_batches_tracked"], weights["0.bias"]
    match = match_weights(_model(8), weights)
    # 3 + 3 of batch norm and 0.weight match; counters do not count as missing.
    assert sorted(match.matched) == ["0.weight", "1.bias", "1.running_mean", "1.running_var", "1.weight"]
    assert match.reshaped == {"2.weight": ((80, 3), (8, 3)), "2.bias": ((80,), (8,))}
    assert match.missing == ["0.bias"]
    assert match.unexpected == ["extra.weight"]
    assert not match.is_complete
    report = match.describe()
    assert "5 weights match" in report
    assert "2.weight: 80x3 -> 8x3" in report


def test_same_model_is_complete() -> None:
    match = match_weights(_model(4), _model(4).state_dict())
    assert match.is_complete
    assert match.describe() == "9 weights match by name and shape."


def test_weights_of_a_wrapped_and_of_a_bare_file() -> None:
    weights = {"module.a": torch.zeros(1), "note": "text"}
    assert list(state_dict_of({"state_dict": weights})) == ["a"]
    assert list(state_dict_of(weights)) == ["a"]
