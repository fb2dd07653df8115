"""What lies where in a submission's zip."""

import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from panoptic_core.submission.findings import Finding, found
from panoptic_core.submission.servers import Server

_JUNK = (".DS_Store", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class Layout:
    """Where the parts of a submission are.

    Attributes:
        json: The JSON's name in the zip; None: there is none.
        folder: The folder of the PNGs, with a slash at its end, or empty for the top of the zip; None: there
            is no PNG.
        pngs: All PNGs of that folder, by their names inside of it.
    """

    json: str | None
    folder: str | None
    pngs: frozenset[str]


def read_layout(archive: zipfile.ZipFile, name: str, server: Server) -> tuple[Layout, list[Finding]]:
    """Find JSON and PNGs, also where they lie wrongly, so that the rest can be checked too.

    Args:
        archive: The zip.
        name: The file name that it will be uploaded under.
        server: Whose rules.
    """
    findings: list[Finding] = []
    if server.zip_name is not None and not server.zip_name.fullmatch(name):
        findings.append(found("zip-name", name, f"expected the name {server.zip_rule}, got {name}"))
    names = _usable_names(archive, findings)
    json_name = _find_json(names, name, findings)
    if json_name is None:
        return Layout(None, None, frozenset()), findings
    if not json_name.endswith(".json"):
        findings.append(found("json-name", json_name, "expected the suffix .json, in small letters"))
    top, stem = str(PurePosixPath(json_name).parent), PurePosixPath(json_name).stem
    root = "" if top == "." else f"{top}/"
    if server.zip_name is not None:
        # A zip of a wrong name can be renamed: then its JSON is the one that says how.
        right = PurePosixPath(name).stem if server.zip_name.fullmatch(name) else stem
        if stem != right or not server.zip_name.fullmatch(f"{stem}.zip"):
            wanted = f"{right}.json, as the zip is called" if stem != right else "the name of the zip"
            findings.append(found("json-name", json_name, f"expected {wanted}, got {stem}.json"))
        stem = right
    folder = _find_folder(names, f"{root}{stem}/", findings)
    pngs: frozenset[str] = frozenset()
    if folder is not None:
        pngs = frozenset(one.removeprefix(folder) for one in names if one.startswith(folder) and _is_png(one))
    for one in names:
        inside = folder is not None and one.startswith(folder)
        rival = one.lower().endswith(".json") and str(PurePosixPath(one).parent) == top  # reported before
        if one != json_name and not rival and not (inside and _is_png(one)):
            findings.append(found("stray-file", one, "is neither the JSON nor a PNG of its folder"))
    return Layout(json_name, folder, pngs), findings


def _usable_names(archive: zipfile.ZipFile, findings: list[Finding]) -> list[str]:
    """Return the files that can be read by their names; report the others."""
    names = []
    for one, times in Counter(entry.filename for entry in archive.infolist() if not entry.is_dir()).items():
        parts = PurePosixPath(one).parts
        if not parts or one.startswith("/") or ".." in parts or "\\" in one or ":" in parts[0]:
            findings.append(found("unsafe-path", one, "is no plain path inside the zip"))
        elif parts[0] == "__MACOSX" or parts[-1] in _JUNK or parts[-1].startswith("._"):
            findings.append(found("stray-file", one, "is a file of the operating system"))
        else:
            names.append(one)
        if times > 1:
            findings.append(found("duplicate-entry", one, f"is {times} times in the zip"))
    return names


def _find_json(names: Sequence[str], zip_name: str, findings: list[Finding]) -> str | None:
    found_ones = [one for one in names if one.lower().endswith(".json")]
    top = [one for one in found_ones if "/" not in one]
    if not found_ones:
        findings.append(found("json-missing", zip_name, f"holds {len(names)} files, but no JSON"))
        return None
    if not top:
        findings.append(found("nested", found_ones[0], "lies in a folder of the zip, expected it at the top"))
    candidates = top or found_ones
    if len(candidates) > 1:
        shown = ", ".join(candidates[:3]) + (", ..." if len(candidates) > 3 else "")
        findings.append(found("json-several", zip_name, f"expected one JSON, got {len(candidates)}: {shown}"))
    best = f"{PurePosixPath(zip_name).stem}.json"
    return next((one for one in candidates if PurePosixPath(one).name == best), candidates[0])


def _find_folder(names: Sequence[str], expected: str, findings: list[Finding]) -> str | None:
    """Return the folder called as the JSON, or else the one that most PNGs are in."""
    folders = Counter(one.rpartition("/")[0] for one in names if _is_png(one))
    if any(f"{folder}/".startswith(expected) for folder in folders):
        return expected
    if not folders:
        findings.append(found("png-folder", expected, "expected a folder of PNGs, got no PNG in the zip"))
        return None
    folder = folders.most_common(1)[0][0]
    place = f"{folder}/" if folder else ""
    shown = place or "the top of the zip"
    findings.append(found("png-folder", shown, f"holds the PNGs, expected them in {expected}"))
    return place


def _is_png(name: str) -> bool:
    return name.lower().endswith(".png")
