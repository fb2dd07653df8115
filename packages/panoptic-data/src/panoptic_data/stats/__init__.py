"""What a data set holds: classes, sizes, instances an image, void."""

from panoptic_data.stats.collecting import ClassStats, SplitStats, collect

__all__ = ["ClassStats", "SplitStats", "collect"]
