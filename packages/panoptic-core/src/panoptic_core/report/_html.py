"""HTML out of nested calls: text is always escaped, because only :class:`Html` is taken as it is."""

from collections.abc import Iterable
from html import escape

Attribute = str | int | float | bool | None

_VOID_TAGS = frozenset({"br", "col", "image", "img", "input", "line", "link", "meta", "rect", "use"})


class Html(str):
    """A string that is HTML already."""

    __slots__ = ()


def tag(name: str, /, *children: object, **attributes: Attribute) -> Html:
    """Return one element.

    Args:
        name: Its name.
        children: Strings and numbers are escaped, :class:`Html` is not; lists are joined; None is left out.
        attributes: ``class_`` is written as ``class``, ``data_value`` as ``data-value``. True is an attribute
            without a value; None and False are left out.

    Example:
        >>> tag("td", "a < b", class_="name", data_value=3)
        '<td class="name" data-value="3">a &lt; b</td>'
    """
    shown = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID_TAGS:
        return Html(f"<{name}{shown}>" if name not in _SVG_TAGS else f"<{name}{shown}/>")
    return Html(f"<{name}{shown}>{join(children)}</{name}>")


def join(children: Iterable[object]) -> Html:
    """Return children one after another, escaped where they are not HTML."""
    return Html("".join(_child(child) for child in children))


_SVG_TAGS = frozenset({"image", "line", "rect", "use"})


def _child(child: object) -> str:
    if child is None:
        return ""
    if isinstance(child, Html):
        return child
    if isinstance(child, list | tuple):
        return join(child)
    return escape(_printable(str(child)), quote=True)


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    return f' {name}="{escape(_printable(str(value)), quote=True)}"'


def _printable(text: str) -> str:
    """Replace what no HTML file can hold: lone surrogates of odd file names, and control characters."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(one if one >= " " or one in "\t\n" else "\ufffd" for one in text)
