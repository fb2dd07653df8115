"""The spatial ranking module of OANet: which thing class is in front (arXiv:1903.05027, section 3.2)."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from panoptic_heads.common.semantic_losses import pixel_cross_entropy
from panoptic_heads.registry import MODELS

Kernel = Literal["large", "3x3", "1x1"]
Resolution = Literal["image", "quarter"]


@MODELS.register_module()
class SpatialRanking(BaseModule):
    """From where each class has instances to which class is in front.

    The large kernel is that of Peng et al., "Large Kernel Matters" (arXiv:1703.02719), which the paper names:
    a 1 x k and a k x 1 convolution one after the other, in both orders, summed; nothing between them.

    The last convolutions start at zero. Before there was a conflict to learn from, all classes rank alike and
    detection scores decide; on data without overlapping masks it stays so.

    Args:
        num_things_classes: Thing classes ``T``: channels of input and output.
        kernel: Table 5's choices: ``'large'``, ``'3x3'`` or ``'1x1'``.
        kernel_size: k of the large kernel, odd.
        resolution: ``'image'`` works at the size of the network's input, as the paper says; ``'quarter'`` on
            every fourth row and column.
        loss_weight: Multiplies the loss.
        ignore_index: The label without a loss.
        init_cfg: As MMEngine's.

    Raises:
        ValueError: If a choice is not one of those above, or the kernel's size is even.
    """

    def __init__(
        self,
        num_things_classes: int,
        *,
        kernel: Kernel = "large",
        kernel_size: int = 7,
        resolution: Resolution = "image",
        loss_weight: float = 1.0,
        ignore_index: int = 255,
        init_cfg: object = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        for name, value, choices in (
            ("kernel", kernel, get_args(Kernel)),
            ("resolution", resolution, get_args(Resolution)),
        ):
            if value not in choices:
                msg = f"Expected `{name}` to be one of {list(choices)}, got {value!r}."
                raise ValueError(msg)
        if kernel_size < 1 or kernel_size % 2 == 0:
            msg = f"Expected `kernel_size` to be odd and at least 1, got {kernel_size}."
            raise ValueError(msg)
        self.num_things_classes = num_things_classes
        self.stride = 1 if resolution == "image" else 4
        self.loss_weight = loss_weight
        self.ignore_index = ignore_index
        if kernel == "large":
            orders = [[(1, kernel_size), (kernel_size, 1)], [(kernel_size, 1), (1, kernel_size)]]
        else:
            kernel_size = 3 if kernel == "3x3" else 1
            orders = [[(kernel_size, kernel_size)]]
        self.reach = kernel_size // 2
        stacks = [nn.Sequential(*(_conv(num_things_classes, shape) for shape in order)) for order in orders]
        for stack in stacks:
            for parameter in stack[-1].parameters():
                nn.init.zeros_(parameter)
        self.orders = nn.ModuleList(stacks)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the ranking logits of class maps, both ``(N, T, h, w)`` floats."""
        logits: Tensor = sum(order(maps) for order in self.orders)
        return logits

    def loss(self, maps: Sequence[Tensor], labels: Sequence[Tensor]) -> Tensor:
        """Return the weighted mean cross entropy over the conflict pixels of a batch (equation 2).

        Only the window around an image's conflicts, as far as the kernel reaches, is computed; the values at
        the conflicts are those of the whole map.

        Args:
            maps: For each image ``(T, h, w)`` bool, see :func:`~panoptic_heads.oanet.class_maps.class_map`.
            labels: For each image ``(h, w)`` int64, the class in front at the conflicts, else `ignore_index`.

        Returns:
            A scalar in float32 or better; without any conflict 0, attached to the parameters.
        """
        total, count = None, 0
        for drawn, label in zip(maps, labels, strict=True):
            found = torch.nonzero(label != self.ignore_index)  # (P, 2)
            if not len(found):
                continue
            (top, left), (bottom, right) = found.amin(dim=0).tolist(), found.amax(dim=0).tolist()
            rows = slice(max(top - self.reach, 0), bottom + self.reach + 1)
            columns = slice(max(left - self.reach, 0), right + self.reach + 1)
            logits = self(drawn[None, :, rows, columns].float())
            loss = pixel_cross_entropy(
                logits, label[None, rows, columns], ignore_index=self.ignore_index
            ).sum()
            total = loss if total is None else total + loss
            count += len(found)
        if total is None:
            weight = next(self.parameters())
            return self(weight.new_zeros(1, self.num_things_classes, 1, 1)).sum() * 0
        return self.loss_weight * total / count


def _conv(channels: int, shape: tuple[int, int]) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, shape, padding=(shape[0] // 2, shape[1] // 2))
