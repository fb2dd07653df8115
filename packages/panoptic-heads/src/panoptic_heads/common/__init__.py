"""What the methods share: the base detector, RoI head, semantic heads and losses, fusion as a config line."""

from panoptic_heads.common.deformable_head import DeformableBranch, DeformableSemanticHead
from panoptic_heads.common.detector import PanopticTwoStageDetector
from panoptic_heads.common.fusion import (
    ConfidenceFusion,
    Fusion,
    MaskGuidedFusion,
    PanopticLogitsFusion,
    RankingFusion,
)
from panoptic_heads.common.panoptic_target import NO_TARGET, instance_segments, panoptic_truth, target_at
from panoptic_heads.common.precision import at_least_float32
from panoptic_heads.common.prediction import PanopticPrediction, instances_of
from panoptic_heads.common.resize import resize_logits, resize_winner
from panoptic_heads.common.roi_head import PanopticRoIHead
from panoptic_heads.common.semantic_heads import ConcatSemanticHead, SemanticHead, SumSemanticHead
from panoptic_heads.common.semantic_losses import (
    BootstrappedCrossEntropy,
    SemanticCrossEntropy,
    pixel_cross_entropy,
)
from panoptic_heads.common.structures import NetworkOutput, RoITrainingContext, TrainingState
from panoptic_heads.common.tta import ViewSettings

__all__ = [
    "NO_TARGET",
    "BootstrappedCrossEntropy",
    "ConcatSemanticHead",
    "ConfidenceFusion",
    "DeformableBranch",
    "DeformableSemanticHead",
    "Fusion",
    "MaskGuidedFusion",
    "NetworkOutput",
    "PanopticLogitsFusion",
    "PanopticPrediction",
    "PanopticRoIHead",
    "PanopticTwoStageDetector",
    "RankingFusion",
    "RoITrainingContext",
    "SemanticCrossEntropy",
    "SemanticHead",
    "SumSemanticHead",
    "TrainingState",
    "ViewSettings",
    "at_least_float32",
    "instance_segments",
    "instances_of",
    "panoptic_truth",
    "pixel_cross_entropy",
    "resize_logits",
    "resize_winner",
    "target_at",
]
