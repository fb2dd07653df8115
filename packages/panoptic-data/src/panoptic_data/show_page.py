"""One HTML page with a thumbnail of every drawn image: looks through a data set in any browser."""

import base64
import io
from collections import Counter
from html import escape
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from panoptic_core.categories import CategoryTable
from panoptic_core.files import atomic_path
from panoptic_fusion import PanopticSegmentation

THUMBNAIL = (480, 480)  # pixels, at most

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 1.5rem; }
h1 { font-size: 1.3rem; margin: 0 0 .3rem; }
p { margin: .2rem 0 .8rem; }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: 1rem; }
figure { margin: 0; border: 1px solid color-mix(in srgb, currentColor 25%, transparent); border-radius: .4rem;
  overflow: hidden; }
figure[hidden] { display: none; }
img { width: 100%; height: auto; display: block; background: #888; }
figcaption { padding: .5rem .7rem; overflow-wrap: anywhere; }
small { opacity: .75; }
a:focus-visible, select:focus-visible { outline: 3px solid #3b6fb6; outline-offset: -3px; }
"""

_SCRIPT = """
const choice = document.querySelector("select"), said = document.querySelector("output");
const figures = [...document.querySelectorAll("figure")];
choice.addEventListener("change", () => {
  for (const one of figures) {
    one.hidden = choice.value !== "" && !one.dataset.labels.split(" ").includes(choice.value);
  }
  said.textContent = figures.filter((one) => !one.hidden).length;
});
"""


class TruthPage:
    """Collects drawn images and writes the page.

    Thumbnails are in the page; a click opens the full picture, which lies beside it.

    Args:
        path: The page; pictures are linked relative to its folder.
        title: What is shown, as text.
        table: The classes.
    """

    def __init__(self, path: Path, title: str, table: CategoryTable) -> None:
        self.path = path
        self.title = title
        self.table = table
        self._figures: list[str] = []
        self._images_of: Counter[int] = Counter()

    def add(self, picture: Path, truth: PanopticSegmentation) -> None:
        """Add an image.

        Args:
            picture: What was drawn, in the page's folder or below it.
            truth: What it shows.
        """
        labels = sorted({segment.label for segment in truth.segments})
        self._images_of.update(labels)
        link = quote(picture.relative_to(self.path.parent).as_posix())
        names = ", ".join(
            f"{self.table.names[label]} {number}"
            if label < self.table.num_things
            else self.table.names[label]
            for label, number in sorted(Counter(segment.label for segment in truth.segments).items())
        )
        name = escape(picture.stem)
        self._figures.append(
            f'<figure data-labels="{" ".join(map(str, labels))}"><a href="{link}">'
            f'<img loading="lazy" alt="{name} and its segments" src="{_thumbnail(picture)}"></a>'
            f"<figcaption><b>{name}</b><br>{escape(describe(truth))}<br><small>{escape(names)}</small>"
            "</figcaption></figure>"
        )

    def write(self) -> None:
        """Write the page, whole or not at all."""
        number = len(self._figures)
        options = "".join(
            f'<option value="{label}">{escape(self.table.names[label])} ({images})</option>'
            for label, images in sorted(self._images_of.items())
        )
        text = (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{escape(self.title)}</title><style>{_STYLE}</style></head>\n<body>"
            f"<h1>{escape(self.title)}</h1>\n<p><output>{number}</output> of {number} images, "
            f'<label>those with <select><option value="">any class</option>{options}</select></label></p>\n'
            f"<main>\n{chr(10).join(self._figures)}\n</main>\n<script>{_SCRIPT}</script></body></html>\n"
        )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(self.path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def describe(truth: PanopticSegmentation) -> str:
    """Say in a line what an image holds."""
    crowds = int(truth.iscrowd.sum())
    things = int(truth.is_thing.sum()) - crowds
    void = float((truth.id_map == 0).float().mean())
    return f"{things} things, {len(truth) - things - crowds} stuff, {crowds} crowd, {void:.1%} void"


def _thumbnail(picture: Path) -> str:
    with Image.open(picture) as image:
        small = image.convert("RGB")
    small.thumbnail(THUMBNAIL)
    buffer = io.BytesIO()
    small.save(buffer, format="JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
