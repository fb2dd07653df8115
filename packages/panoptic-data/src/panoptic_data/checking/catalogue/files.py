"""Rules on files: there, readable, of the right kind."""

from panoptic_data.checking.findings import Rule, Severity

FILES = (
    Rule(
        "json-unreadable",
        Severity.ERROR,
        "The panoptic JSON cannot be read",
        "Nothing of the split can be used.",
        "Download or write the file again.",
    ),
    Rule(
        "list-absent",
        Severity.ERROR,
        "The JSON lacks one of the lists images, annotations, categories, or nothing is in it",
        "Images cannot be joined to maps, or class ids mean nothing.",
        "Take the panoptic JSON (one annotation an image, with segments_info), not an instances or result "
        "JSON; "
        "copy a missing list from the set's own file.",
    ),
    Rule(
        "image-missing",
        Severity.ERROR,
        "An image file is not there",
        "Training stops, or with other loaders skips the image.",
        "Complete the download, or correct images[].file_name; names are relative to the image folder.",
    ),
    Rule(
        "image-unreadable",
        Severity.ERROR,
        "An image file is damaged or no image",
        "Training stops in the epoch that first meets it; OpenCV fills the lost part of a JPEG with grey "
        "and says "
        "nothing.",
        "Copy the file again.",
    ),
    Rule(
        "image-rotated",
        Severity.WARNING,
        "An image has an EXIF tag that turns or mirrors it",
        "Loaders that follow the tag (mmcv's default, browsers) and those that do not (Pillow) see two "
        "pictures; "
        "the map fits one of them.",
        "Turn the pixels as annotated and delete the tag, or load with "
        "color_type='color_ignore_orientation'.",
    ),
    Rule(
        "map-missing",
        Severity.ERROR,
        "A panoptic PNG is not there",
        "The image has no ground truth.",
        "Complete the download, or correct annotations[].file_name; names are relative to the folder of the "
        "maps.",
    ),
    Rule(
        "map-unreadable",
        Severity.ERROR,
        "A panoptic PNG is damaged or no image",
        "The image has no ground truth.",
        "Copy or write the file again.",
    ),
    Rule(
        "map-encoding",
        Severity.ERROR,
        "A map is no RGB PNG with 8 bits a channel",
        "Ids are R + 256 G + 65536 B: a grey, palette or 16 bit PNG holds labels or other ids, and a lossy "
        "format "
        "changes ids.",
        "Write the ids with panoptic_core.files.write_panoptic_png.",
    ),
    Rule(
        "map-bgr",
        Severity.ERROR,
        "A map was written with red and blue exchanged",
        "No id of the PNG is in the JSON (id = R + 256 G + 65536 B; OpenCV writes B G R).",
        "Exchange the channels: cv2.imwrite wants rgb[..., ::-1].",
    ),
    Rule(
        "map-void",
        Severity.WARNING,
        "No pixel of an image is labelled",
        "The image teaches and measures nothing: all that is predicted on it is excused.",
        "Annotate it, or remove it from both lists.",
    ),
    Rule(
        "map-shared",
        Severity.ERROR,
        "Two annotations name the same PNG",
        "One image gets the ground truth of another.",
        "Give each image a map of its own; maps of several folders need their folder in file_name.",
    ),
    Rule(
        "map-of-another",
        Severity.WARNING,
        "A map has the name of another image than the one it belongs to",
        "Where lists were joined in another order, images get the ground truth of others.",
        "Look at it (panoptic-data show); join images and maps by image_id.",
    ),
    Rule(
        "file-unused",
        Severity.NOTE,
        "Folders hold images or maps that the JSON does not name",
        "Perhaps annotations were lost when files were joined.",
        "Delete them, or list them in the JSON.",
    ),
)
