"""Rules on the lists of categories, images and annotations."""

from panoptic_data.checking.findings import Rule, Severity

LISTS = (
    Rule(
        "category-malformed",
        Severity.ERROR,
        "A category has no integer id >= 0, or no name",
        "Its class cannot be told.",
        "Give each category an id, a name and isthing.",
    ),
    Rule(
        "category-twice",
        Severity.ERROR,
        "Two categories have the same id",
        "Which of both a segment has depends on the reader.",
        "Give each class its own id.",
    ),
    Rule(
        "category-name-twice",
        Severity.WARNING,
        "Two categories have the same name",
        "Tables and pictures cannot tell them apart; tools that look classes up by name mix them.",
        "Rename one, or join both classes.",
    ),
    Rule(
        "category-color",
        Severity.ERROR,
        "A category's color is not three integers in [0, 255]",
        "No category table can be made.",
        "Write RGB, or leave color away.",
    ),
    Rule(
        "isthing-absent",
        Severity.ERROR,
        "A category has no isthing",
        "Nobody can tell countable objects from stuff: the order of labels and PQ of things and stuff need "
        "it.",
        "Write 1 for countable objects, 0 for stuff.",
    ),
    Rule(
        "isthing-value",
        Severity.ERROR,
        "A category's isthing is neither 0 nor 1",
        "It is read as true or false by chance.",
        "Write 1 for countable objects, 0 for stuff.",
    ),
    Rule(
        "isthing-differs",
        Severity.ERROR,
        "The categories are those of a known data set, but a class is a thing here and stuff there",
        "Instances of a class are counted as one region, or each region as an instance; numbers cannot be "
        "compared.",
        "Take isthing from the data set's own JSON.",
    ),
    Rule(
        "image-malformed",
        Severity.ERROR,
        "An image has no id or no file_name",
        "It cannot be found or joined.",
        "Give each image an id (number or text) and a file_name.",
    ),
    Rule(
        "image-id-twice",
        Severity.ERROR,
        "Two images have the same id",
        "One of them gets the ground truth of the other.",
        "Give each image its own id; renumber when sets are joined.",
    ),
    Rule(
        "image-listed-twice",
        Severity.ERROR,
        "Two images have the same file_name",
        "The image counts twice in training and in every mean.",
        "Keep one entry, with one annotation.",
    ),
    Rule(
        "image-unannotated",
        Severity.ERROR,
        "An image has no annotation",
        "CocoPanoptic refuses the set; other tools take all its pixels for void.",
        "Annotate it, or remove it from images.",
    ),
    Rule(
        "size-absent",
        Severity.WARNING,
        "An image has no height and width",
        "Aspect-ratio samplers, filters by size and MMDetection's reader need them.",
        "Write them.",
    ),
    Rule(
        "size-differs",
        Severity.ERROR,
        "An image has another height or width than its JSON says",
        "Samplers, filters and result writers that believe the JSON work with a wrong shape.",
        "Write the size of the file; exchanged numbers come from an array's shape.",
    ),
    Rule(
        "image-map-size",
        Severity.ERROR,
        "Image and map have different sizes",
        "Pixels have no label, or the label of another place.",
        "Pair the right files; resize a map with nearest neighbour only.",
    ),
    Rule(
        "annotation-malformed",
        Severity.ERROR,
        "An annotation has no image_id, file_name or segments_info",
        "It cannot be joined to an image and a map. An instances JSON has one annotation an object instead.",
        "Write one annotation an image, with these keys.",
    ),
    Rule(
        "annotation-twice",
        Severity.ERROR,
        "An image has two annotations",
        "Which of both counts depends on the reader.",
        "Keep one entry an image.",
    ),
    Rule(
        "annotation-unknown-image",
        Severity.ERROR,
        "An annotation's image_id is not in images",
        "The metric asks for a prediction of an image that no loader gives.",
        "List the image, or remove the annotation; write ids as numbers in both lists, or as text in both.",
    ),
)
