"""The worst images as HTML: panels side by side, legends, and the frame of the large view."""

import base64
import json
from collections.abc import Sequence

from panoptic_core.report._html import Html, join, tag
from panoptic_core.report._tables import histogram, percent, swatch
from panoptic_core.report.content import ImagePictures, ImageReport, Layer
from panoptic_core.report.pictures import MISMATCH

_OPACITY = 65  # percent; the same as in `page.css`


def gallery(images: Sequence[ImageReport], image_pqs: Sequence[float]) -> Html | None:
    """Return the section of images; None if there is nothing to show."""
    drawn = histogram(image_pqs)
    if not images and drawn is None:
        return None
    count = len(images)
    shown = f"The {count} with the lowest PQ, worst first." if count > 1 else "The one with the lowest PQ."
    text = "PQ of an image alone is the mean over the classes that occur in it; the mean over images "
    text += "is not the PQ of the set. "
    return tag(
        "section",
        tag("h2", "Images", id="images-title"),
        tag("p", text, shown if images else None),
        drawn,
        _tools() if any(image.pictures for image in images) else None,
        [_article(image, place) for place, image in enumerate(images, start=1)],
        id="images",
        aria_labelledby="images-title",
    )


def large_view() -> Html:
    """Return the dialog that shows one panel large; the script fills it."""
    buttons = {"previous": "Previous image", "next": "Next image"}
    bar = tag(
        "div",
        tag("span", class_="name"),
        tag("span", class_="place none"),
        tag("span", class_="tabs", role="group", aria_label="Panels"),
        _slider(),
        tag("span", class_="push"),
        [tag("button", title, type="button", class_=key) for key, title in buttons.items()],
        tag("button", "Close", type="button", class_="close"),
        class_="bar",
    )
    stage = tag("div", class_="stage")
    says = tag("div", class_="says", role="status")
    return tag(
        "dialog",
        bar,
        stage,
        tag("div", says, tag("div", class_="legend"), class_="foot"),
        aria_label="Large view",
    )


def _tools() -> Html:
    squares = [tag("li", swatch(color), words) for words, color in MISMATCH]
    hint = join(
        [
            "A click enlarges. There ",
            _keys("←", "→"),
            " show the other panels, ",
            _keys("↑", "↓"),
            " the other images.",
        ]
    )
    return join(
        [
            tag("div", _slider(), tag("span", hint, class_="count"), class_="tools"),
            tag("ul", tag("li", "Colours of a mismatch:"), squares, class_="key", id="mismatch-key"),
        ]
    )


def _keys(*names: str) -> Html:
    return join([tag("kbd", name) for name in names])


def _slider() -> Html:
    field = tag("input", type="range", min=0, max=100, value=_OPACITY)
    return tag("label", "Maps over the image", field, class_="opacity")


def _article(image: ImageReport, place: int) -> Html:
    numbers = [tag("b", f"PQ {percent(image.pq)}"), f"   TP {image.tp} · FP {image.fp} · FN {image.fn}"]
    wrongs = [tag("li", tag("b", word), " ", rest) for word, rest in image.sentences]
    pictures = image.pictures
    return tag(
        "article",
        tag(
            "div",
            tag("span", f"{place}.", class_="rank"),
            tag("h3", image.name),
            tag("span", numbers, class_="numbers"),
            class_="head",
        ),
        _panels(pictures, image.name, place) if pictures else None,
        tag("p", pictures.problem, class_="problem") if pictures and pictures.problem else None,
        tag("ul", wrongs, class_="wrongs") if wrongs else None,
        _legend(pictures) if pictures else None,
        data_name=image.name,
        id=f"image-{place}",
    )


def _panels(pictures: ImagePictures, name: str, place: int) -> Html:
    """Return the panels; the photo is stored once and used in each."""
    box = f"0 0 {pictures.width} {pictures.height}"
    size = {"width": pictures.width, "height": pictures.height}
    store, key = None, f"photo-{place}"
    if pictures.photo is not None:
        photo = tag("image", id=key, href=_data("image/jpeg", pictures.photo), **size)
        store = tag("svg", tag("defs", photo), class_="store", aria_hidden="true")

    def panel(title: str, layer: Layer | None) -> Html:
        kinds = ["picture", title.replace(" ", "-")] + ([] if store else ["bare"])
        drawing = tag(
            "svg",
            tag("use", href=f"#{key}", class_="photo") if store else None,
            _layer(layer, size) if layer else None,
            viewBox=box,
            class_=" ".join(kinds),
            aria_hidden="true",
        )
        label = f"{title} of {name}"
        button = tag("button", drawing, type="button", class_="panel", aria_label=label, data_title=title)
        return tag("figure", tag("figcaption", title), button)

    panels = [panel("image", None)] if store else []
    panels += [panel(layer.title, layer) for layer in pictures.layers]
    return join([store, tag("div", panels, class_="panels" if len(panels) > 3 else "panels three")])


def _layer(layer: Layer, size: dict[str, int]) -> Html:
    words = json.dumps(dict(layer.says), ensure_ascii=False)
    return tag("image", class_="layer", href=_data("image/png", layer.png), data_says=words, **size)


def _legend(pictures: ImagePictures) -> Html:
    items = [tag("li", swatch(one.color), one.name) for one in pictures.legend]
    return tag("ul", items, class_="key", aria_label="Classes, most pixels first")


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
