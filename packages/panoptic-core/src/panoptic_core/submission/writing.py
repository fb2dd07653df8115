"""Write predictions as the zip that a test server takes."""

import json
import os
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from panoptic_core.files import PanopticFileError, atomic_path
from panoptic_core.fusing.images import read_json
from panoptic_core.parallel import Progress
from panoptic_core.submission.checking import check_submission
from panoptic_core.submission.findings import Report
from panoptic_core.submission.servers import SERVERS, Server

PathLike = str | os.PathLike[str]


class _RejectedError(Exception):
    def __init__(self, report: Report) -> None:
        super().__init__()
        self.report = report


def write_submission(
    server: str,
    predictions: Sequence[PathLike],
    out: PathLike,
    *,
    folder: PathLike | None = None,
    split: str = "test",
    train_ids: bool = False,
    images: PathLike | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """Write a zip, check it, and give it its name only if there is no error.

    Image ids are brought into the server's form (``"000000000139"`` and ``139.jpg`` become 139, and
    ``berlin_000000_000019_leftImg8bit`` loses its end), PNGs are called by them, and of each segment
    only id and category id are kept. Pixels are not touched.

    Args:
        server: ``"coco"``, ``"cityscapes"`` or ``"vistas"``.
        predictions: JSONs in COCO's panoptic format, or folders of such, as ``tools/predict.py`` writes them.
        out: The zip; COCO's servers prescribe its name.
        folder: The PNGs; by default the JSON's path without ``.json``, or else the JSON's own folder.
        split: Cityscapes': the JSON in the zip is called ``cityscapes_panoptic_SPLIT.json``.
        train_ids: Category ids of the predictions count the classes from 0: for Cityscapes train ids, for
            Vistas the order of ``config_v1.2.json``, for COCO the official order.
        images: The split's images, see :func:`~panoptic_core.submission.split_images.read_split`.
        workers: Threads of the check; by default one a CPU, at most 8.
        progress: Called with the images done and all images, by the check.

    Returns:
        The report of the check; with an error in it nothing is left at `out`.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If there is no such server, **or** `out` has not the server's name.
        PanopticFileError: If a prediction cannot be used at all: no image id, an image twice, a train id
            without class, classes of another set; the message names file and cure.
    """
    if server not in SERVERS:
        msg = f"Expected `server` to be one of {', '.join(SERVERS)}, got {server!r}."
        raise ValueError(msg)
    rules, out = SERVERS[server], Path(out)
    _check_out(out, rules)
    entries = _collect(predictions, folder, rules, train_ids=train_ids)
    stem = rules.json_stem(out.stem, split)
    try:
        with atomic_path(out) as temporary:
            _write_zip(temporary, stem, entries)
            report = check_submission(
                temporary, server=server, images=images, name=out.name, workers=workers, progress=progress
            )
            if report.errors:
                raise _RejectedError(report)
    except _RejectedError as rejected:
        report = rejected.report
    return Report(str(out), report.server, report.num_images, report.images_known, report.findings)


def _check_out(out: Path, server: Server) -> None:
    if out.suffix != ".zip" or (server.zip_name is not None and not server.zip_name.fullmatch(out.name)):
        msg = f"Expected `out` to be called {server.zip_rule} for {server.name}, got {out.name}. Rename it."
        raise ValueError(msg)
    if not out.parent.is_dir():
        msg = f"Expected the folder {out.parent} for the zip, but there is none. Make it first."
        raise FileNotFoundError(msg)


Entry = tuple[dict[str, Any], Path]  # what the JSON says, and the PNG


def _collect(
    predictions: Sequence[PathLike], folder: PathLike | None, server: Server, *, train_ids: bool
) -> dict[int | str, Entry]:
    """Return the entry and the PNG of each image, by image id, in order."""
    entries: dict[int | str, Entry] = {}
    origins: dict[int | str, Path] = {}
    for path in _json_files(predictions):
        content = read_json(path, "predictions")
        rows = content.get("annotations") if isinstance(content, dict) else None
        if not isinstance(rows, list):
            msg = (
                f"Expected {path} to be a COCO-panoptic JSON with a list `annotations`. Name the right file."
            )
            raise PanopticFileError(msg)
        if not train_ids:
            _check_categories(content.get("categories"), path, server)
        place = Path(folder) if folder is not None else path.with_suffix("")
        if folder is None and not place.is_dir():
            place = path.parent
        for row in rows:
            image_id, entry, png = _translate(row, path, server, train_ids=train_ids)
            if image_id in entries:
                msg = (
                    f"Expected each image once, got image {image_id!r} in {origins[image_id]} and in {path}. "
                    "Leave one of them out."
                )
                raise PanopticFileError(msg)
            entries[image_id], origins[image_id] = (entry, place / png), path
    return dict(sorted(entries.items(), key=lambda item: (str(type(item[0])), item[0])))


def _check_categories(categories: Any, path: Path, server: Server) -> None:
    """Raise if the predictions bring classes along that are not the server's: they are of another set."""
    table = server.table
    for row in categories if isinstance(categories, list) else []:
        values = row if isinstance(row, dict) else {}
        category_id, is_thing = values.get("id"), values.get("isthing")
        label = table.labels.get(category_id) if isinstance(category_id, int) else None
        if label is None or is_thing not in (None, table.is_thing[label]):
            msg = (
                f"{path}: expected the categories of {table.name}, got {str(row)[:120]}, which is none of "
                f"them. Predict with a model of {table.name}; if only the ids count from 0, say --train-ids."
            )
            raise PanopticFileError(msg)


def _json_files(predictions: Sequence[PathLike]) -> Iterator[Path]:
    for one in map(Path, predictions):
        if not one.is_dir():
            yield one
            continue
        found = sorted(one.rglob("*.json"))
        if not found:
            msg = f"Expected JSONs of predictions in the folder {one}, got none. Name the JSON."
            raise FileNotFoundError(msg)
        yield from found


def _translate(
    row: Any, path: Path, server: Server, *, train_ids: bool
) -> tuple[int | str, dict[str, Any], str]:
    """Return an image's id, its entry as the server wants it, and the name of its PNG so far."""
    name = row.get("file_name") if isinstance(row, dict) else None
    segments = row.get("segments_info") if isinstance(row, dict) else None
    if not isinstance(name, str) or not isinstance(segments, list):
        msg = (
            f"{path}: expected each annotation to have image_id, file_name and segments_info, got "
            f"{str(row)[:120]}. Write the file again."
        )
        raise PanopticFileError(msg)
    image_id = server.read_id(row.get("image_id"))
    image_id = server.read_id(name) if image_id is None else image_id
    if image_id is None:
        msg = (
            f"{path}: expected an image id of {server.name} ({server.id_rule}), got {row.get('image_id')!r} "
            f"with file {name}. Predict the server's own images, with their names."
        )
        raise PanopticFileError(msg)
    kept = [
        _translate_segment(segment, f"{path}, image {image_id!r}", server, train_ids) for segment in segments
    ]
    return (
        image_id,
        {"image_id": image_id, "file_name": server.png_name(image_id), "segments_info": kept},
        name,
    )


def _translate_segment(segment: Any, where: str, server: Server, train_ids: bool) -> Any:
    """Keep id and category id (and what the check must see); anything else is left to the check."""
    if not isinstance(segment, dict):
        return segment
    kept = {key: segment[key] for key in ("id", "category_id") if key in segment}
    if segment.get("iscrowd"):
        kept["iscrowd"] = segment["iscrowd"]
    if train_ids:
        label = segment.get("category_id")
        if type(label) is not int or not 0 <= label < len(server.order):
            msg = (
                f"{where}: expected a train id in [0, {len(server.order)}), got {label!r}. Leave --train-ids "
                "out if the predictions have the data set's ids."
            )
            raise PanopticFileError(msg)
        kept["category_id"] = server.order[label]
    return kept


def _write_zip(path: Path, stem: str, entries: dict[int | str, Entry]) -> None:
    """Write JSON and PNGs; the PNGs as they are, since they are compressed."""
    with zipfile.ZipFile(path, "w") as archive:
        content = {"annotations": [entry for entry, _ in entries.values()]}
        _add(archive, f"{stem}.json", json.dumps(content).encode(), zipfile.ZIP_DEFLATED)
        for entry, png in entries.values():
            try:
                data = png.read_bytes()
            except FileNotFoundError:
                msg = (
                    f"Expected the panoptic PNG {png} of image {entry['image_id']!r}, but there is no such "
                    "file. Name the folder of the PNGs (--folder)."
                )
                raise FileNotFoundError(msg) from None
            _add(archive, f"{stem}/{entry['file_name']}", data, zipfile.ZIP_STORED)


def _add(archive: zipfile.ZipFile, name: str, data: bytes, compression: int) -> None:
    entry = zipfile.ZipInfo(name)  # of 1980: the same predictions give the same bytes
    entry.compress_type, entry.external_attr = compression, 0o644 << 16
    archive.writestr(entry, data)
