"""Rules on the segments of an image."""

from panoptic_data.checking.findings import Rule, Severity

SEGMENTS = (
    Rule(
        "segment-malformed",
        Severity.ERROR,
        "An entry of segments_info has no id or no category_id",
        "Its pixels have no class.",
        "Write id and category_id for each segment.",
    ),
    Rule(
        "segment-id",
        Severity.ERROR,
        "A segment id is no integer in [1, 2**24)",
        "0 is void: the pixels count for nothing. Larger ids do not fit into an RGB pixel.",
        "Renumber the segments in PNG and JSON.",
    ),
    Rule(
        "segment-twice",
        Severity.ERROR,
        "A segment id is listed twice in an image",
        "The last entry wins in most readers, and the first one's class is lost.",
        "Give each segment its own id, in PNG and JSON.",
    ),
    Rule(
        "segment-no-pixel",
        Severity.ERROR,
        "A listed segment owns no pixel of the map",
        "The official metric stops with an error (predictions), or counts a miss that nobody can avoid.",
        "Drop the entry; segments vanish when maps are resized or drawn over.",
    ),
    Rule(
        "id-unlisted",
        Severity.ERROR,
        "A map holds ids that segments_info lacks",
        "The official metric stops with KeyError; other readers take the pixels for void.",
        "List the segments, or set their pixels to 0; many such ids come from resizing with interpolation.",
    ),
    Rule(
        "category-unknown",
        Severity.ERROR,
        "A segment's category_id is not in categories",
        "Loaders and metrics stop, or drop the segment.",
        "Add the category, or write the data set's own ids (for Cityscapes label ids, not train ids).",
    ),
    Rule(
        "crowd-absent",
        Severity.WARNING,
        "A segment has no iscrowd",
        "The official metric reads the key of each true segment and stops with KeyError.",
        "Write 0, or 1 for a group that nobody separated.",
    ),
    Rule(
        "crowd-value",
        Severity.ERROR,
        "A segment's iscrowd is neither 0 nor 1",
        "It is read as true or false by chance.",
        "Write 0, or 1 for a group that nobody separated.",
    ),
    Rule(
        "crowd-on-stuff",
        Severity.ERROR,
        "A stuff segment is marked as a crowd",
        "Crowds are never counted: the region can be missed or found without any effect on PQ. Stuff has no "
        "instances to separate.",
        "Write iscrowd 0; or isthing 1, if the class is countable.",
    ),
    Rule(
        "isthing-segment",
        Severity.WARNING,
        "A segment's own isthing contradicts its category's",
        "Tools that read the segment's value and tools that read the category's disagree.",
        "Leave the key away, or write the category's value.",
    ),
    Rule(
        "stuff-split",
        Severity.ERROR,
        "A stuff class has several segments in one image",
        "Stuff is one segment an image. A prediction has one, and at most one of these can match it (IoU > "
        "0.5): "
        "the others are misses.",
        "Give all its pixels one id and list one segment; or write isthing 1, if the class is countable.",
    ),
    Rule(
        "area-absent",
        Severity.WARNING,
        "A segment has no area",
        "The official metric reads the area of true segments from the JSON; MMDetection drops a segment "
        "without.",
        "Write the number of its pixels.",
    ),
    Rule(
        "area-wrong",
        Severity.ERROR,
        "A segment's area is not the number of its pixels",
        "The official metric believes it: IoU is wrong, and PQ can exceed 100.",
        "Count the pixels of the map.",
    ),
    Rule(
        "box-absent",
        Severity.WARNING,
        "A segment has no bbox",
        "MMDetection's panoptic data set reads boxes from here and stops.",
        "Write [x, y, width, height] around its pixels.",
    ),
    Rule(
        "box-wrong",
        Severity.ERROR,
        "A segment's bbox is not the tight box of its pixels",
        "MMDetection's panoptic data set trains on it. One pixel too small (a warning) is a forgotten + 1.",
        "Write [x, y, width, height] around its pixels, not two corners.",
    ),
)
