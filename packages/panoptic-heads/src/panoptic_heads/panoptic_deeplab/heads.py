"""The network of Panoptic-DeepLab behind the backbone (Cheng et al., CVPR 2020, arXiv:1911.10194).

Written from the paper: context, decoder and heads of figure 2, with the switches of tables 1 and 10.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, Self

from torch import Tensor

from panoptic_core.backbones.layers import BATCH_NORM
from panoptic_heads.panoptic_deeplab.aspp import ASPP
from panoptic_heads.panoptic_deeplab.decoder import Decoder
from panoptic_heads.panoptic_deeplab.predictions import Predictions
from panoptic_heads.panoptic_deeplab.structures import DeepLabOutputs
from panoptic_heads.registry import MODELS

INSTANCE: Mapping[str, Any] = {
    "aspp_channels": 256,
    "decoder_channels": 128,
    "projections": (32, 16),
    "head_channels": 32,
}
"""Widths of the instance branch in the paper's model."""


@dataclass(frozen=True)
class BranchSettings:
    """Widths of one of the two branches; the defaults are the semantic one's in the paper's model.

    Attributes:
        aspp_channels: Of ASPP.
        decoder_channels: Of the decoder: C_sem and C_ins of table 1.
        projections: What the skipped levels are projected to, coarsest first.
        head_channels: Of the convolution before each prediction; None: there is no such convolution.
    """

    aspp_channels: int = 256
    decoder_channels: int = 256
    projections: tuple[int, ...] = (64, 32)
    head_channels: int | None = 256

    @classmethod
    def read(cls, cfg: Mapping[str, Any]) -> Self:
        """Read a config's block.

        Raises:
            ValueError: If an entry is unknown.
        """
        names = {field.name for field in fields(cls)}
        if not set(cfg) <= names:
            msg = f"Expected a branch to have entries of {sorted(names)}, got {sorted(cfg)}."
            raise ValueError(msg)
        settings = dict(cfg)
        if "projections" in settings:
            settings["projections"] = tuple(settings["projections"])
        return cls(**settings)


@MODELS.register_module()
class PanopticDeepLabHead(Predictions):
    """Two branches with a context module, a decoder and heads each, on one backbone (figure 2).

    ==============================  ======================================================================
    row of tables 1 and 10          settings
    ==============================  ======================================================================
    the paper's model               the defaults
    C_sem = 128                     ``semantic``: 128 channels
    single ASPP                     ``dual_aspp=False``: both decoders read the semantic branch's ASPP
    single decoder                  also ``dual_decoder=False``: all heads read the semantic branch's decoder
    C_ins = 256                     ``instance``: ``decoder_channels=256``
    semantic only                   ``instance=None``
    DeepLabV3+ decoder              ``skips=(0,)``, one projection, ``decoder_kernel=3, decoder_convs=2``
    ==============================  ======================================================================

    Args:
        num_things_classes: Thing classes, labels [0, T).
        num_stuff_classes: Stuff classes, labels [T, T + S).
        in_channels: Of the backbone's maps, finest first.
        skips: Which of these maps the decoders read, coarsest first; the last one has stride 4.
        semantic: Widths of the semantic branch, :class:`BranchSettings`.
        instance: Widths of the instance branch; None: there is none.
        dual_aspp: The instance branch has an ASPP of its own.
        dual_decoder: The instance branch has a decoder of its own.
        aspp: Further settings of :class:`~panoptic_heads.panoptic_deeplab.aspp.ASPP`.
        decoder_kernel: Side of the decoders' convolutions.
        decoder_convs: Convolutions at each step of the decoders.
        head_kernel: Side of the heads' convolutions.
        align_corners: See :class:`~panoptic_heads.panoptic_deeplab.decoder.Decoder`.
        heatmap_activation: What makes values of the heat map: "none" if it is trained by the mean squared
            error, "sigmoid" if by the cross entropy (table 1 without MSE).
        norm_cfg: As MMDetection's.
        init_cfg: As MMEngine's.
    """

    def __init__(
        self,
        num_things_classes: int,
        num_stuff_classes: int,
        *,
        in_channels: Sequence[int],
        skips: Sequence[int] = (1, 0),
        semantic: Mapping[str, Any] | None = None,
        instance: Mapping[str, Any] | None = INSTANCE,
        dual_aspp: bool = True,
        dual_decoder: bool = True,
        aspp: Mapping[str, Any] | None = None,
        decoder_kernel: int = 5,
        decoder_convs: int = 1,
        head_kernel: int = 5,
        align_corners: bool = True,
        heatmap_activation: Literal["none", "sigmoid"] = "none",
        norm_cfg: Mapping[str, Any] = BATCH_NORM,
        init_cfg: Any = None,
    ) -> None:
        super().__init__(num_things_classes, num_stuff_classes, heatmap_activation, init_cfg)
        if dual_aspp and not dual_decoder and instance is not None:
            msg = (
                "Expected `dual_aspp` with `dual_decoder`: a second ASPP has no decoder that reads it. Set "
                "`dual_decoder=True` or `dual_aspp=False`."
            )
            raise ValueError(msg)
        self.in_channels = tuple(in_channels)
        if any(not -len(in_channels) <= level < len(in_channels) for level in skips):
            msg = (
                f"Expected `skips` to name some of the backbone's {len(in_channels)} maps, 0 to "
                f"{len(in_channels) - 1}, got {tuple(skips)}. `in_channels` has one entry a map."
            )
            raise ValueError(msg)
        self.skips = tuple(skips)
        self.align_corners = align_corners
        widths = BranchSettings.read(semantic or {})
        others = None if instance is None else BranchSettings.read(instance)

        def context(branch: BranchSettings) -> ASPP:
            return ASPP(in_channels[-1], branch.aspp_channels, norm_cfg=norm_cfg, **(aspp or {}))

        def decoder(branch: BranchSettings, coarse_channels: int) -> Decoder:
            return Decoder(
                coarse_channels,
                skip_channels=[in_channels[level] for level in skips],
                projections=branch.projections,
                channels=branch.decoder_channels,
                kernel_size=decoder_kernel,
                num_convs=decoder_convs,
                align_corners=align_corners,
                norm_cfg=norm_cfg,
            )

        self.semantic_aspp = context(widths)
        self.semantic_decoder = decoder(widths, widths.aspp_channels)
        self.instance_aspp = context(others) if others and dual_aspp else None
        read = others if others and dual_aspp else widths
        self.instance_decoder = decoder(others, read.aspp_channels) if others and dual_decoder else None
        decoded = others if others and dual_decoder else widths
        self._make_heads(
            (widths.decoder_channels, widths.head_channels),
            (decoded.decoder_channels, others.head_channels) if others else None,
            head_kernel,
            norm_cfg,
        )

    def forward(self, features: Sequence[Tensor]) -> DeepLabOutputs:
        """Return the three outputs of the backbone's maps ``(N, C, h, w)``, finest first."""
        skips = [features[level] for level in self.skips]
        context = self.semantic_aspp(features[-1])
        semantic = self.semantic_decoder(context, skips)
        if self.semantic_only:
            return self._predict(semantic, None)
        if self.instance_aspp is not None:
            context = self.instance_aspp(features[-1])
        instance = semantic if self.instance_decoder is None else self.instance_decoder(context, skips)
        return self._predict(semantic, instance)
