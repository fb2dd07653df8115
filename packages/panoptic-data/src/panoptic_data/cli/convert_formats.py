"""The formats of ``panoptic-data convert``, and the options of each."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from panoptic_data.converting import Plan

_Formats: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_formats(formats: _Formats, run: Callable[[argparse.Namespace], int]) -> None:
    """Add all formats.

    Args:
        formats: Where to.
        run: What runs one; ``options.plan(options)`` gives it the work.
    """
    _add_cityscapes(formats)
    _add_vistas(formats)
    _add_ade20k(formats)
    _add_coco_instances(formats)
    _add_labelme(formats)
    _add_cvat(formats)
    _add_masks(formats)
    for parser in formats.choices.values():
        parser.set_defaults(run=run)


def _add_format(
    formats: _Formats,
    name: str,
    plan: "Callable[[argparse.Namespace], Plan]",
    source: str,
    text: str,
) -> argparse.ArgumentParser:
    """Add one format with the options that all have."""
    parser = formats.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.add_argument("source", metavar="SRC", type=Path, help=source)
    parser.add_argument("out", metavar="OUT", type=Path, help="root folder of the new data set")
    parser.add_argument(
        "--images",
        choices=("link", "copy", "none"),
        default="link",
        help="how photographs get to OUT/SPLIT; copies where links cannot be made (default: %(default)s)",
    )
    parser.add_argument(
        "--workers", type=_positive, metavar="N", help="processes (default: one a CPU, at most 8)"
    )
    parser.add_argument(
        "--restart", action="store_true", help="convert everything anew, whatever an earlier run left in OUT"
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    parser.set_defaults(plan=plan)
    return parser


def _add_cityscapes(formats: _Formats) -> None:
    def plan(options: argparse.Namespace) -> "Plan":
        from panoptic_data.converting.cityscapes import plan_cityscapes

        return plan_cityscapes(options.source, options.splits)

    parser = _add_format(
        formats,
        "cityscapes",
        plan,
        "the folder that holds leftImg8bit and gtFine",
        "Cityscapes as downloaded; ids and segments as csCreatePanopticImgs writes them",
    )
    _add_splits(parser)


def _add_masks(formats: _Formats) -> None:
    def plan(options: argparse.Namespace) -> "Plan":
        from panoptic_data.converting.masks import plan_masks

        return plan_masks(
            options.source,
            options.classes,
            image_folder=options.image_folder,
            mask_folder=options.mask_folder,
            instance_folder=options.instance_folder,
            void=options.void,
            lonely=options.no_instance,
            split=options.split,
            val=options.val,
            splits=options.splits,
        )

    parser = _add_format(
        formats,
        "masks",
        plan,
        "the folder that holds images, masks and perhaps instances; or a folder of splits that do",
        "your own label PNGs: grey, palette or RGB, with or without instance PNGs",
    )
    parser.add_argument(
        "--classes",
        type=Path,
        required=True,
        metavar="FILE",
        help="CSV with id (the value in the masks), name, isthing and perhaps color; or JSON `categories`",
    )
    for name, folder in (("image", "images"), ("mask", "masks"), ("instance", "instances")):
        parser.add_argument(
            f"--{name}-folder", default=folder, metavar="NAME", help="its name in SRC (default: %(default)s)"
        )
    parser.add_argument(
        "--void",
        nargs="+",
        default=["255"],
        metavar="VALUE",
        help="values (0) and colours ('#000000') that are no class (default: 255)",
    )
    parser.add_argument(
        "--no-instance",
        choices=("crowd", "components", "void"),
        help="what thing pixels without an instance become (default: connected regions if there are no "
        "instance PNGs, else a crowd)",
    )
    _add_split(parser)
    _add_splits(parser)


def _add_coco_instances(formats: _Formats) -> None:
    def plan(options: argparse.Namespace) -> "Plan":
        from panoptic_data.converting.coco_instances import plan_coco_instances

        return plan_coco_instances(
            options.source,
            options.image_folder,
            things=options.things,
            classes=options.classes,
            stuff_folder=options.stuff_folder,
            void=options.void,
            overlap=options.overlap,
            split=options.split,
        )

    parser = _add_format(
        formats,
        "coco-instances",
        plan,
        "the JSON, such as annotations/instances_train2017.json",
        "a COCO instance JSON, with stuff from PNGs if you have them",
    )
    _add_classes(parser, "categories", "all of them")
    parser.add_argument("--image-folder", type=Path, metavar="DIR", help="photographs (default: as in COCO)")
    parser.add_argument(
        "--stuff-folder", type=Path, metavar="DIR", help="PNGs whose values are the ids of stuff categories"
    )
    parser.add_argument(
        "--void",
        nargs="+",
        type=int,
        default=[0, 255],
        metavar="VALUE",
        help="values of the stuff PNGs that are no class (default: 0 255)",
    )
    parser.add_argument(
        "--overlap",
        choices=("small", "first", "last"),
        default="small",
        help="which of two instances owns the pixels of both: the smaller one, or the first or last in the "
        "file (default: %(default)s)",
    )
    parser.add_argument("--split", metavar="NAME", help="name of the split (default: the JSON's)")


def _add_labelme(formats: _Formats) -> None:
    def plan(options: argparse.Namespace) -> "Plan":
        from panoptic_data.converting.labelme import plan_labelme

        return plan_labelme(
            options.source,
            things=options.things,
            classes=options.classes,
            split=options.split,
            val=options.val,
        )

    text = "labelme's JSON files: polygons, rectangles, circles, masks, group_id"
    parser = _add_format(formats, "labelme", plan, "the folder of the JSON files", text)
    _add_classes(parser, "labels")
    _add_split(parser)


def _add_cvat(formats: _Formats) -> None:
    def plan(options: argparse.Namespace) -> "Plan":
        from panoptic_data.converting.cvat import plan_cvat

        return plan_cvat(
            options.source,
            options.image_folder,
            things=options.things,
            classes=options.classes,
            split=options.split,
            val=options.val,
        )

    text = "an export 'CVAT for images 1.1': polygons, masks, boxes, ellipses, z_order, group_id"
    parser = _add_format(formats, "cvat", plan, "annotations.xml, or the folder that holds it", text)
    _add_classes(parser, "labels")
    parser.add_argument(
        "--image-folder", type=Path, metavar="DIR", help="photographs (default: images/ beside the XML)"
    )
    _add_split(parser)


def _add_vistas(formats: _Formats) -> None:
    def plan(options: argparse.Namespace) -> "Plan":
        from panoptic_data.converting.vistas import plan_vistas

        return plan_vistas(options.source, options.splits, version=options.labels)

    parser = _add_format(
        formats,
        "vistas",
        plan,
        "the folder that holds training and validation",
        "Mapillary Vistas as downloaded, v1.2 or v2.0",
    )
    parser.add_argument(
        "--labels", choices=("v1.2", "v2.0"), help="which labels, where there are both (default: v1.2)"
    )
    _add_splits(parser)


def _add_ade20k(formats: _Formats) -> None:
    def plan(options: argparse.Namespace) -> "Plan":
        from panoptic_data.converting.ade20k import plan_ade20k

        return plan_ade20k(options.source, options.splits)

    parser = _add_format(
        formats,
        "ade20k",
        plan,
        "ADEChallengeData2016: the folder of images, annotations and annotations_instance",
        "ADE20K's 150 classes with the instances of 2017",
    )
    _add_splits(parser)


def _add_classes(parser: argparse.ArgumentParser, what: str, default: str | None = None) -> None:
    group = parser.add_mutually_exclusive_group(required=default is None)
    group.add_argument(
        "--things",
        type=_names,
        metavar="A,B,...",
        help=f"the {what} that are things, the others are stuff; '*' for all, '' for none"
        + (f" (default: {default})" if default else ""),
    )
    group.add_argument(
        "--classes", type=Path, metavar="FILE", help="CSV with id, name, isthing and perhaps color; or JSON"
    )


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _add_split(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--split", default="train", metavar="NAME", help="name of the split (default: %(default)s)"
    )
    parser.add_argument(
        "--val",
        type=float,
        default=0.0,
        metavar="PERCENT",
        help="put about so many percent of the images into a split val, by their names (default: none)",
    )


def _add_splits(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--splits", nargs="+", metavar="NAME", help="which splits, such as train val (default: all there are)"
    )


def _positive(text: str) -> int:
    value = int(text) if text.isdigit() else 0
    if value < 1:
        msg = f"expected a whole number >= 1, got {text}"
        raise argparse.ArgumentTypeError(msg)
    return value
