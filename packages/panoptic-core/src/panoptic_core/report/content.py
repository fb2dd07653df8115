"""What a report says, as plain values: nothing here knows about HTML, files or networks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

RGB = tuple[int, int, int]


@dataclass(frozen=True)
class ClassName:
    """A class in a table: shown with its colour; ``is_thing`` lets readers filter."""

    name: str
    color: RGB
    is_thing: bool


@dataclass(frozen=True)
class Parts:
    """Counts that make up a whole, shown as one bar in parts.

    Attributes:
        values: The counts, in the order of the column's ``parts``.
    """

    values: tuple[int, ...]


Cell = str | int | float | ClassName | Parts | None


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: What stands on top.
        kind: ``"text"``, ``"class"`` (:class:`ClassName`), ``"percent"`` (a number with a bar),
            ``"number"`` (counts or values without one) or ``"parts"`` (:class:`Parts`).
        hint: What it means, in a sentence.
        parts: For ``"parts"``: the name and colour role (see ``page.css``) of each part.
    """

    title: str
    kind: Literal["text", "class", "percent", "number", "parts"] = "number"
    hint: str = ""
    parts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Table:
    """A table that sorts by a click on a column's title.

    Attributes:
        columns: The columns.
        rows: One tuple of cells a row; NaN and None are shown as a dash and stay last in every order.
        totals: Rows that stay at the top.
        filters: Let readers choose things or stuff and search names; the first column must be classes.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    totals: tuple[tuple[Cell, ...], ...] = ()
    filters: bool = False


@dataclass(frozen=True)
class Section:
    """A heading, a sentence or two, and tables.

    Attributes:
        key: What links to it; letters and dashes.
        title: The heading.
        text: What the tables show.
        tables: The tables.
    """

    key: str
    title: str
    text: str
    tables: tuple[Table, ...]


@dataclass(frozen=True)
class Headline:
    """A number that is read first.

    Attributes:
        title: What it is.
        value: Percent; NaN is shown as a dash.
        note: What belongs to it, in small print.
    """

    title: str
    value: float
    note: str = ""


@dataclass(frozen=True)
class Layer:
    """A drawn map that lies on the photo of an image.

    Attributes:
        title: ``"ground truth"``, ``"prediction"`` or ``"mismatch"``.
        png: The file's bytes.
        says: What each colour (``"#rrggbb"``) says about the segment under the pointer.
    """

    title: str
    png: bytes
    says: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ImagePictures:
    """One image with its maps, ready to be shown.

    Attributes:
        width: Of the pictures, in pixels.
        height: Of the pictures.
        photo: JPEG bytes; None where there is no image.
        layers: What is laid over it, one panel each.
        legend: Classes that occur, most pixels first.
        problem: Why there is no photo, if one was asked for.
    """

    width: int
    height: int
    photo: bytes | None
    layers: tuple[Layer, ...]
    legend: tuple[ClassName, ...]
    problem: str = ""


@dataclass(frozen=True)
class ImageReport:
    """One image of the gallery.

    Attributes:
        name: The image's file name or id.
        pq: Its own panoptic quality, percent.
        tp: Matched segments.
        fp: Predictions without a match.
        fn: Ground truth without a match.
        sentences: What went wrong: a word in front and the rest, such as ("Missed", "3 car, 1 person").
        pictures: Its pictures; None if there are none.
    """

    name: str
    pq: float
    tp: int
    fp: int
    fn: int
    sentences: tuple[tuple[str, str], ...] = ()
    pictures: ImagePictures | None = None


@dataclass(frozen=True)
class ReportContent:
    """A whole report.

    Attributes:
        title: The heading.
        facts: What was evaluated, such as ("Ground truth", "panoptic_val2017.json").
        headlines: The numbers that are read first.
        sections: Tables, in order.
        image_pqs: PQ of every image, percent, for the histogram.
        images: The gallery, worst first.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    headlines: tuple[Headline, ...]
    sections: tuple[Section, ...]
    image_pqs: tuple[float, ...] = ()
    images: tuple[ImageReport, ...] = ()
