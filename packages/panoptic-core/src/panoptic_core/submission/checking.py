"""Check a submission before upload: layout, JSON, and every PNG."""

import json
import os
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from panoptic_core.files import PanopticFileError
from panoptic_core.parallel import Progress, count_workers, map_in_order, watched
from panoptic_core.submission.annotations import check_annotation
from panoptic_core.submission.findings import Finding, Report, found
from panoptic_core.submission.layout import Layout, read_layout
from panoptic_core.submission.maps import check_map
from panoptic_core.submission.servers import SERVERS, Server
from panoptic_core.submission.split_images import read_split

PathLike = str | os.PathLike[str]
_READ_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


def check_submission(
    path: PathLike,
    *,
    server: str | None = None,
    images: PathLike | None = None,
    name: str | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """Check a zip as its server would read it, and say what is wrong.

    It goes on after a finding, so that all are seen at once. At most two maps a worker are in memory.

    Args:
        path: The zip.
        server: ``"coco"``, ``"cityscapes"`` or ``"vistas"``; by default found out from names and image ids.
        images: The split's images, see :func:`~panoptic_core.submission.split_images.read_split`: missing
            images and wrong sizes are found then.
        name: The file name that the zip will be uploaded under; by default its own.
        workers: Threads; by default one a CPU, at most 8.
        progress: Called with the images done and all images, after each image.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If there is no such server, or it cannot be found out.
        PanopticFileError: If the list of images cannot be used.
    """
    path = Path(path)
    name = name or path.name
    if server is not None and server not in SERVERS:
        msg = f"Expected `server` to be one of {', '.join(SERVERS)}, got {server!r}."
        raise ValueError(msg)
    if not path.is_file():
        msg = f"Expected a zip at {path}, but there is no such file. Check the path."
        raise FileNotFoundError(msg)
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        finding = found("not-a-zip", name, f"cannot be opened as a zip: {error}")
        return Report(str(path), server or "unknown", 0, images is not None, (finding,))
    with archive:
        rules = SERVERS[server] if server else _guess_server(archive, name)
        split = None if images is None else read_split(images, rules)
        return _Check(archive, rules, split, workers, progress).run(path, name)


class _Check:
    """One check of an open zip."""

    def __init__(
        self,
        archive: zipfile.ZipFile,
        server: Server,
        split: Mapping[int | str, tuple[int, int]] | None,
        workers: int | None,
        progress: Progress | None,
    ) -> None:
        self.archive = archive
        self.server = server
        self.split = split
        self.workers = workers
        self.progress = progress
        self.layout = Layout(None, None, frozenset())

    def run(self, path: Path, name: str) -> Report:
        """Check everything."""
        self.layout, findings = read_layout(self.archive, name, self.server)
        entries: list[Any] = []
        if self.layout.json is not None:
            content = _read_json(self.archive, self.layout.json)
            if isinstance(content, Finding):
                findings.append(content)
            else:
                entries = content
                findings += self._check_entries(entries, name)
        return Report(str(path), self.server.name, len(entries), self.split is not None, tuple(findings))

    def _check_entries(self, entries: Sequence[Any], name: str) -> Iterator[Finding]:
        yield from self._check_images(entries, name)
        train_ids = self._hold_train_ids(entries)
        done = map_in_order(
            lambda entry: self._check_entry(entry, train_ids), entries, count_workers(self.workers)
        )
        for findings in watched(done, len(entries), self.progress):
            yield from findings
        names = (entry.get("file_name") for entry in entries if isinstance(entry, dict))
        for png in sorted(self.layout.pngs - {name for name in names if isinstance(name, str)}):
            yield found(
                "stray-file", f"{self.layout.folder}{png}", "is a PNG that no entry of the JSON names"
            )

    def _check_images(self, entries: Sequence[Any], name: str) -> Iterator[Finding]:
        """Check which images there are, and that each is there once."""
        json_name = str(self.layout.json)
        if not entries:
            yield found("no-images", json_name, "`annotations` is an empty list")
        rows = [entry for entry in entries if isinstance(entry, dict)]
        for key, rule in (("image_id", "duplicate-image"), ("file_name", "duplicate-file")):
            values = [row[key] for row in rows if isinstance(row.get(key), int | str)]
            for value, times in Counter(values).items():
                if times > 1:
                    yield found(rule, json_name, f"{key} {value!r} has {times} entries")
        ids = {row["image_id"] for row in rows if self.server.is_id(row.get("image_id"))}
        if self.split is not None:
            for image_id in sorted(self.split.keys() - ids, key=str):
                yield found("missing-image", json_name, f"image {image_id!r} has no prediction")
            for image_id in sorted(ids - self.split.keys(), key=str):
                yield found(
                    "unknown-image", json_name, f"image {image_id!r} is not among the images of the split"
                )
            return
        counts = dict(self.server.counts)
        match = self.server.zip_name.fullmatch(name) if self.server.zip_name else None
        if match is not None:
            counts = {key: count for key, count in counts.items() if key == match.group(1)}
        if entries and counts and len(ids) not in counts.values():
            expected = " or ".join(f"{count} ({key})" for key, count in counts.items())
            yield found("image-count", json_name, f"expected {expected} images, got {len(ids)}")

    def _hold_train_ids(self, entries: Sequence[Any]) -> bool:
        """Return whether all category ids could be labels from 0."""
        used = {
            segment.get("category_id")
            for entry in entries
            if isinstance(entry, dict) and isinstance(entry.get("segments_info"), list)
            for segment in entry["segments_info"]
            if isinstance(segment, dict) and type(segment.get("category_id")) is int
        }
        return used <= set(range(len(self.server.table)))

    def _check_entry(self, entry: Any, train_ids: bool) -> list[Finding]:
        """Check one image: its entry, and its PNG if there is one."""
        findings = list(check_annotation(entry, str(self.layout.json), self.server, train_ids=train_ids))
        if (
            self.layout.folder is None
            or not isinstance(entry, dict)
            or not isinstance(entry.get("file_name"), str)
        ):
            return findings
        where = f"{self.layout.folder}{entry['file_name']}"
        if entry["file_name"] not in self.layout.pngs:
            missing = found(
                "png-missing", where, f"image {entry.get('image_id')!r} names it, but it is not in the zip"
            )
            return [*findings, missing]
        try:
            data = self.archive.read(where)
        except _READ_ERRORS as error:
            return [*findings, found("broken-entry", where, f"cannot be unpacked: {error}")]
        size, image_id = self.server.size, entry.get("image_id")
        if self.split is not None and isinstance(image_id, int | str):
            size = self.split.get(image_id, size)
        return [*findings, *check_map(data, where, entry.get("segments_info"), self.server, size)]


def _guess_server(archive: zipfile.ZipFile, name: str) -> Server:
    """Find out the server from the zip's name, the JSON's name, or the first image id."""
    for server in SERVERS.values():
        if server.zip_name is not None and server.zip_name.fullmatch(name):
            return server
    jsons = [one for one in archive.namelist() if one.lower().endswith(".json") and "__MACOSX" not in one]
    for one in jsons:
        if "cityscapes" in one:
            return SERVERS["cityscapes"]
        content = _read_json(archive, one)
        rows = [] if isinstance(content, Finding) else content
        for image_id in (row["image_id"] for row in rows if isinstance(row, dict) and "image_id" in row):
            for server in SERVERS.values():  # Vistas, which takes nearly any name, is the last
                if server.is_id(image_id):
                    return server
    msg = f"{name}: names and image ids do not say which server it is for. Say --server {', '.join(SERVERS)}."
    raise PanopticFileError(msg)


def _read_json(archive: zipfile.ZipFile, name: str) -> list[Any] | Finding:
    """Return the entries of the JSON, or what is wrong with it."""
    try:
        data = archive.read(name)
    except _READ_ERRORS as error:
        return found("broken-entry", name, f"cannot be unpacked: {error}")
    try:
        content = json.loads(data.decode())  # as servers read it: plain UTF-8, without a byte order mark
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        return found("json-unreadable", name, f"cannot be parsed: {error}")
    if isinstance(content, dict) and isinstance(content.get("annotations"), list):
        entries: list[Any] = content["annotations"]
        return entries
    if isinstance(content, list):
        cure = "Put it into {'annotations': [...]}: only detection results are bare lists."
        return found("json-unreadable", name, "is a bare list", cure)
    shown = sorted(content) if isinstance(content, dict) else type(content).__name__
    return found("json-unreadable", name, f"expected a dict with a list `annotations`, got {shown}")
