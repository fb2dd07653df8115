"""``panoptic-data show``: draw the ground truth of a data set."""

import argparse
from pathlib import Path


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "show",
        help="draw the ground truth of a data set",
        description="Draw images and their ground truth. Reads what `generate` writes, COCO-panoptic files, "
        "and Cityscapes as downloaded.",
    )
    parser.add_argument("root", metavar="ROOT", help="root folder of the data set")
    parser.add_argument("--split", help="which split, such as val2017 (default: the validation split)")
    parser.add_argument(
        "--out", default="shown", metavar="DIR", help="folder for the pictures (default: %(default)s)"
    )
    parser.add_argument(
        "--limit", type=int, default=8, metavar="N", help="how many images (default: %(default)s)"
    )
    parser.add_argument(
        "--html", action="store_true", help="write DIR/index.html, too: a page with a thumbnail of each image"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from panoptic_data.show import show_truth
    from panoptic_data.show_page import TruthPage, describe
    from panoptic_data.splits import choose_split, find_splits

    splits = find_splits(options.root)
    split = choose_split(splits, options.split)
    others = ", ".join(other.name for other in splits if other is not split)
    print(f"Split {split.name}" + (f" (also there: {others})" if others else ""))
    page: TruthPage | None = None
    if options.html:
        title = f"{Path(options.root).resolve().name}: ground truth of {split.name}"
        page = TruthPage(Path(options.out, "index.html"), title, split.open().table)
    for path, truth in show_truth(split, options.out, options.limit):
        print(f"{path}: {describe(truth)}")
        if page is not None:
            page.add(path, truth)
    if page is not None:
        page.write()
        print(f"Page: {page.path}")
