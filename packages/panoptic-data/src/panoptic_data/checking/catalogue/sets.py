"""Rules on whole splits, and on several of them."""

from panoptic_data.checking.findings import Rule, Severity

SETS = (
    Rule(
        "class-unseen",
        Severity.NOTE,
        "Classes occur in no segment",
        "They have no PQ and leave the mean; nothing can be learned of them.",
        "Nothing, if the split is small; else look for a wrong id or a class that was lost in conversion.",
    ),
    Rule(
        "categories-differ",
        Severity.ERROR,
        "Two splits have different classes",
        "What a network learned on one split is measured by the ids of another: the number means nothing.",
        "Write both from one list; their order and colours do not matter.",
    ),
    Rule(
        "image-content-twice",
        Severity.WARNING,
        "Two files of a split are the same image, byte by byte",
        "The image counts twice, perhaps with two ground truths.",
        "Keep one of them.",
    ),
    Rule(
        "split-leak",
        Severity.WARNING,
        "An image is in two splits, byte by byte",
        "The network is measured on what it was trained on: the number cannot be trusted.",
        "Remove it from one split; --ignore split-leak, if one split is meant to contain the other.",
    ),
)
