"""What the network of Panoptic-DeepLab says."""

from typing import NamedTuple

from torch import Tensor


class DeepLabOutputs(NamedTuple):
    """The three outputs of Panoptic-DeepLab (figure 2), on a grid of a quarter of the input's side.

    Attributes:
        sem_logits: ``(N, C, h, w)``, things first, then stuff.
        heatmap: ``(N, 1, h, w)``, as the loss wants it: the value itself for the mean squared error, a logit
            for the sigmoid cross entropy. None if the network only labels pixels.
        offsets: ``(N, 2, h, w)``, y then x, in pixels of the **input**, from each pixel to the center of its
            instance. None if the network only labels pixels.
    """

    sem_logits: Tensor
    heatmap: Tensor | None = None
    offsets: Tensor | None = None
