"""What a check of a submission finds: rules, findings and the report."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Rule:
    """A rule of the checker.

    Attributes:
        severity: An error makes the server fail or count wrongly; a warning probably costs points.
        why: Why it matters.
        cure: What to do, where a finding does not know better.
    """

    severity: Severity
    why: str
    cure: str


_REWRITE = "Write the zip by `panoptic-submit` from the predictions' JSON."
_STOPS = "The server's program stops at it, and the submission fails."

RULES: Mapping[str, Rule] = {
    "not-a-zip": Rule("error", "The server unpacks a zip and nothing else.", _REWRITE),
    "broken-entry": Rule("error", _STOPS, "Write or copy the zip again."),
    "zip-name": Rule(
        "error", "The server finds split and files by the name.", "Rename the zip, or " + _REWRITE
    ),
    "json-missing": Rule("error", "The JSON says which classes the segments are of.", _REWRITE),
    "json-several": Rule("error", "The server cannot know which one is meant.", "Keep one JSON."),
    "json-name": Rule("error", "The server looks for the JSON by the zip's name.", _REWRITE),
    "nested": Rule(
        "error",
        "JSON and folder must lie at the top of the zip; the server does not look below.",
        "Zip the JSON and the folder themselves, not the folder that they are in.",
    ),
    "png-folder": Rule("error", "The server looks for the PNGs in the folder called as the JSON.", _REWRITE),
    "unsafe-path": Rule("error", "A path that leads out of the zip is refused or lost.", _REWRITE),
    "duplicate-entry": Rule("error", "Only one of the two is seen.", _REWRITE),
    "stray-file": Rule(
        "warning", "Nobody reads it; some servers refuse what they do not know.", "Leave it out of the zip."
    ),
    "json-unreadable": Rule("error", _STOPS, "Write or copy the JSON again."),
    "annotation": Rule(
        "error", _STOPS, "Write image_id, file_name and segments_info (a list) of each image."
    ),
    "no-images": Rule("error", "There is nothing to evaluate.", "Predict the images of the split."),
    "image-id": Rule(
        "error", "The server finds no prediction of the image.", "Write the data set's own image ids."
    ),
    "duplicate-image": Rule("error", "Only the last one counts.", "Keep one entry an image."),
    "missing-image": Rule(
        "error", "The server stops if an image has no prediction.", "Predict all images of the split."
    ),
    "unknown-image": Rule(
        "error", "It is of another split or set.", "Leave it out, or choose the right split."
    ),
    "image-count": Rule(
        "warning",
        "The server stops if an image has no prediction.",
        "Say --images, and the check names what is missing.",
    ),
    "file-name": Rule(
        "error",
        "The server opens exactly this name in the folder.",
        "Name the PNG alone: no folder, suffix .png.",
    ),
    "duplicate-file": Rule(
        "error", "Two images share one map, so one of them is wrong.", "Give each its PNG."
    ),
    "segment": Rule("error", _STOPS, "Write id and category_id of each segment, both whole numbers."),
    "segment-id": Rule(
        "error", "0 is void, and larger ids do not fit into an RGB pixel.", "Number segments from 1 on."
    ),
    "duplicate-segment": Rule("error", "Only the last one counts.", "Give each segment its own id."),
    "crowd": Rule(
        "error",
        "Only ground truth has crowds; a server counts the region as one wrong segment.",
        "Leave crowds out; if this is ground truth, submit predictions.",
    ),
    "unknown-category": Rule("error", _STOPS, "Write the data set's own category ids."),
    "train-ids": Rule(
        "error",
        "The server wants the data set's ids; where numbers happen to exist in both, classes are mixed up.",
        "If they are this set's classes, map them to its ids (`panoptic-submit … --train-ids` does); "
        "else predict with a model of this set.",
    ),
    "png-missing": Rule("error", _STOPS, "Add the PNG, or correct file_name."),
    "png-unreadable": Rule("error", _STOPS, "Write ids by `panoptic_core.files.write_panoptic_png`."),
    "size": Rule("error", _STOPS, "Predict at the image's own size; resize ids with nearest neighbour."),
    "id-not-listed": Rule(
        "error",
        _STOPS,
        "PNG and JSON are of two runs, or the PNG was resized with interpolation; write both again.",
    ),
    "id-not-in-png": Rule(
        "error", _STOPS, "Drop the entries of segments that vanished, or write PNG and JSON again."
    ),
    "channel-order": Rule(
        "error", _STOPS, "The PNG was written as BGR: swap its channels before OpenCV's imwrite."
    ),
    "stuff-split": Rule(
        "warning",
        "Ground truth has one segment a stuff class; of several, at most one matches, the others are wrong.",
        "Give all pixels of a stuff class one id.",
    ),
    "nothing-predicted": Rule(
        "warning", "Every segment of the image is missed.", "Look at the image's prediction."
    ),
}
"""The rules by name."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        rule: Its name, a key of `RULES`.
        where: File in the zip, and image where it is about one.
        what: What was found.
        cure: What to do.
    """

    rule: str
    where: str
    what: str
    cure: str

    @property
    def severity(self) -> Severity:
        """Error or warning."""
        return RULES[self.rule].severity

    @property
    def why(self) -> str:
        """Why it matters."""
        return RULES[self.rule].why


def found(rule: str, where: str, what: str, cure: str | None = None) -> Finding:
    """Make a finding, with the rule's own cure if there is no better one."""
    return Finding(rule, where, what, cure or RULES[rule].cure)


@dataclass(frozen=True)
class Report:
    """The result of a check.

    Attributes:
        path: What was checked.
        server: Which server's rules were used.
        num_images: Images in the JSON.
        images_known: Whether the list of the split's images was given.
        findings: In the order of the zip.
    """

    path: str
    server: str
    num_images: int
    images_known: bool
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that are errors."""
        return tuple(one for one in self.findings if one.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings that are warnings."""
        return tuple(one for one in self.findings if one.severity == "warning")

    def to_text(self, *, most: int = 5) -> str:
        """Return the report in words, the findings of a rule together.

        Args:
            most: How many findings of one rule are shown; the others are counted.
        """
        lines = [f"{self.path}: {self.num_images} images, rules of the {self.server} server"]
        by_rule: dict[str, list[Finding]] = {}
        for one in (*self.errors, *self.warnings):
            by_rule.setdefault(one.rule, []).append(one)
        for rule, group in by_rule.items():
            lines += ["", f"{group[0].severity} {rule} ({len(group)} times)"]
            lines += [f"  {one.where}: {one.what}" for one in group[:most]]
            if len(group) > most:
                lines.append(f"  ... and {len(group) - most} more")
            lines.append(f"  why: {group[0].why}")
            lines += [f"  cure: {cure}" for cure in dict.fromkeys(one.cure for one in group[:most])]
        lines += ["", f"{len(self.errors)} errors, {len(self.warnings)} warnings"]
        if not self.images_known:
            lines.append("The images of the split were not given: say --images, and missing ones are found.")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the report for programs, with every finding."""
        findings = [asdict(one) | {"severity": one.severity, "why": one.why} for one in self.findings]
        content = asdict(self)
        return content | {
            "num_errors": len(self.errors),
            "num_warnings": len(self.warnings),
            "findings": findings,
        }
