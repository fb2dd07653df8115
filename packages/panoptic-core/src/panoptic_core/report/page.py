"""A report as one HTML file: style, script and pictures are inside, and nothing else can be loaded or run."""

import base64
import hashlib
from importlib.resources import files

from panoptic_core.__about__ import __version__
from panoptic_core.report._gallery import gallery, large_view
from panoptic_core.report._html import Html, tag
from panoptic_core.report._tables import bar, percent, section
from panoptic_core.report.content import Headline, ReportContent


def render(content: ReportContent) -> str:
    """Return the page.

    Every name is escaped. A content security policy lets the browser run the page's own script and style
    (known by their hashes) and show pictures that are inside; everything else is refused, so that no name
    can do what an escape might have missed, and nothing is ever fetched.
    """
    style, script = _resource("page.css"), _resource("page.js")
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
        f"style-src 'sha256-{_digest(style)}'; script-src 'sha256-{_digest(script)}'"
    )
    images = gallery(content.images, content.image_pqs)
    links = [("summary", "Summary")] + [(one.key, one.title) for one in content.sections]
    links += [("images", "Images")] if images else []
    head = tag(
        "head",
        Html('<meta charset="utf-8">'),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="generator", content=f"panoptic-core {__version__}"),
        tag("title", content.title),
        tag("link", rel="icon", href="data:,"),
        tag("style", style),
    )
    with_pictures = any(image.pictures for image in content.images)
    body = tag(
        "body",
        tag("header", tag("div", tag("h1", content.title), _facts(content))),
        tag(
            "nav",
            tag("div", [tag("a", name, href=f"#{key}") for key, name in links], _THEME),
            aria_label="Page",
        ),
        tag(
            "main",
            tag("div", [_card(one) for one in content.headlines], class_="cards", id="summary"),
            [section(one) for one in content.sections],
            images,
            tag(
                "footer",
                f"All values in percent where not said otherwise. Written by panoptic-core {__version__}.",
            ),
        ),
        large_view() if with_pictures else None,
        tag("script", script),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


_THEME = tag("button", "Dark", type="button", id="theme", class_="push", hidden=True)


def _facts(content: ReportContent) -> Html:
    rows = [tag("div", tag("dt", name), tag("dd", value)) for name, value in content.facts]
    return tag("dl", rows, class_="facts")


def _card(one: Headline) -> Html:
    return tag(
        "div",
        tag("div", one.title, class_="title"),
        tag("div", percent(one.value), class_="value"),
        bar(one.value),
        tag("div", one.note, class_="note"),
        class_="card",
    )


def _resource(name: str) -> Html:
    text = files("panoptic_core.report").joinpath(name).read_text(encoding="utf-8")
    assert "</" not in text, "style and script must not hold what could end their element"
    return Html(text)


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
