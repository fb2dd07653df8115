"""Rules on native Cityscapes files."""

from panoptic_data.checking.findings import Rule, Severity

CITYSCAPES = (
    Rule(
        "cityscapes-id",
        Severity.ERROR,
        "A map holds ids of no Cityscapes class",
        "The official conversion stops with KeyError.",
        "Take the *_gtFine_instanceIds.png (label id, or label id * 1000 + n); train ids are another file.",
    ),
    Rule(
        "cityscapes-stuff-instance",
        Severity.ERROR,
        "A stuff class has a numbered instance (label id * 1000 + n)",
        "The official metric stops, or counts one stuff region as many.",
        "Write the label id alone.",
    ),
    Rule(
        "cityscapes-labels",
        Severity.ERROR,
        "instanceIds and labelIds of an image disagree",
        "mIoU and PQ are measured against two ground truths.",
        "Take both files from one run of the annotation tools.",
    ),
    Rule(
        "cityscapes-no-instances",
        Severity.WARNING,
        "No map of a split numbers its instances",
        "All things are crowds then: nothing of them is counted. labelIds may have been saved as "
        "instanceIds.",
        "Take the *_gtFine_instanceIds.png of gtFine_trainvaltest.zip.",
    ),
)
