"""Tables, bars and the histogram as HTML."""

import math
from collections.abc import Sequence

from panoptic_core.report._html import Html, tag
from panoptic_core.report.content import RGB, Cell, ClassName, Column, Parts, Section, Table

DASH = tag("span", "–", class_="none")  # noqa: RUF001 - an en dash is meant


def section(content: Section) -> Html:
    """Return a section with its tables."""
    columns = [column for table in content.tables for column in table.columns]
    parts = dict.fromkeys(part for column in columns for part in column.parts)
    return tag(
        "section",
        tag("h2", content.title, id=f"{content.key}-title"),
        tag("p", content.text),
        _key(list(parts)) if parts else None,
        [_table(table, f"{content.title}, table {n}") for n, table in enumerate(content.tables, start=1)],
        id=content.key,
        aria_labelledby=f"{content.key}-title",
    )


def swatch(color: RGB) -> Html:
    """Return a small square in a class's colour."""
    square = tag("rect", width="100%", height="100%", fill="#{:02x}{:02x}{:02x}".format(*color))
    return tag("svg", square, class_="swatch", aria_hidden="true")


def percent(value: float) -> str:
    """Return a percentage with two digits; a dash where there is none."""
    return f"{value:.2f}" if math.isfinite(value) else "–"  # noqa: RUF001


def bar(value: float) -> Html:
    """Return a bar from 0 to 100."""
    share = min(100.0, max(0.0, value)) if math.isfinite(value) else 0.0
    rects = [
        tag("rect", class_="track", width="100%", height="100%", rx=2),
        tag("rect", class_="fill", width=f"{share:.2f}%", height="100%", rx=2) if share > 0 else None,
    ]
    return tag("svg", rects, aria_hidden="true")


def histogram(values: Sequence[float]) -> Html | None:
    """Draw how many images have which PQ, in steps of five; None without values."""
    numbers = [value for value in values if math.isfinite(value)]
    if not numbers:
        return None
    bins = [0] * 20
    for value in numbers:
        bins[min(19, max(0, int(value // 5)))] += 1
    left, right, top, base, most = 44, 700, 22, 112, max(bins)
    step, mean = (right - left) / 20, sum(numbers) / len(numbers)
    parts: list[Html] = [tag("line", class_="axis", x1=left, x2=right, y1=y, y2=y) for y in (top, base)]
    parts += [
        tag("text", count, x=left - 8, y=y + 4, text_anchor="end") for count, y in ((most, top), (0, base))
    ]
    for place, count in enumerate(bins):
        if count:
            tall = max(1.0, (base - top) * count / most)
            said = tag("title", f"PQ {5 * place} to {5 * place + 5}: {count} of {len(numbers)} images")
            box = {"x": left + place * step + 2, "y": base - tall, "width": step - 4, "height": tall}
            rect = tag("rect", class_="fill", rx=2, **{key: f"{value:.1f}" for key, value in box.items()})
            parts.append(tag("g", said, rect))
    for mark in range(0, 101, 20):
        x = left + mark / 5 * step
        parts.append(tag("text", mark, x=f"{x:.1f}", y=base + 17, text_anchor="middle"))
    parts.append(tag("text", "PQ of an image", x=(left + right) / 2, y=base + 34, text_anchor="middle"))
    x = left + mean / 5 * step
    parts.append(tag("line", class_="mean", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=top - 8, y2=base))
    near, anchor = (x + 6, "start") if mean < 75 else (x - 6, "end")
    parts.append(
        tag("text", f"mean {mean:.1f}", class_="said", x=f"{near:.1f}", y=top - 6, text_anchor=anchor)
    )
    words = f"How many images have which PQ: {len(numbers)} images, mean {mean:.1f}, "
    words += f"lowest {min(numbers):.1f}, highest {max(numbers):.1f}"
    return tag("svg", parts, class_="histogram", viewBox="0 0 720 152", role="img", aria_label=words)


def _key(parts: Sequence[tuple[str, str]]) -> Html:
    square = {role: tag("rect", class_=role, width="100%", height="100%", rx=2) for _, role in parts}
    items = [tag("li", tag("svg", square[role], aria_hidden="true"), name) for name, role in parts]
    return tag("ul", items, class_="key")


def _table(table: Table, caption: str) -> Html:
    empty = sum(_is_empty(row) for row in table.rows)
    tools = _tools(len(table.rows), empty) if table.filters else None
    head = tag("tr", [_header(column) for column in table.columns])
    bodies = (
        [tag("tbody", [_row(row, table) for row in table.totals], class_="totals")] if table.totals else []
    )
    bodies.append(tag("tbody", [_row(row, table) for row in table.rows], class_="rows"))
    whole = tag("table", tag("caption", caption, class_="hidden"), tag("thead", head), bodies)
    tall = " tall" if len(table.rows) > 24 else ""
    frame = tag("div", whole, class_=f"scroll{tall}", tabindex=0, role="region", aria_label=caption)
    return Html((tools or "") + frame)


def _tools(count: int, empty: int) -> Html:
    kinds = [("all", "All"), ("things", "Things"), ("stuff", "Stuff")]
    buttons = [
        tag("button", title, type="button", data_kind=kind, aria_pressed=str(kind == "all").lower())
        for kind, title in kinds
    ]
    return tag(
        "div",
        tag("span", buttons, class_="group", role="group", aria_label="Classes that are shown"),
        tag("button", "Only those that occur", type="button", class_="occurring", aria_pressed="false")
        if empty
        else None,
        tag("input", type="search", placeholder="Find a class", aria_label="Find a class"),
        tag("span", f"{count} of {count} classes", class_="count", role="status"),
        class_="tools filters",
    )


def _header(column: Column) -> Html:
    button = tag("button", column.title, type="button", title=column.hint or None)
    return tag("th", button, class_=column.kind, scope="col", aria_sort="none")


def _row(row: Sequence[Cell], table: Table) -> Html:
    first = row[0] if row else None
    kind = ("things" if first.is_thing else "stuff") if isinstance(first, ClassName) else None
    cells = [_cell(cell, column) for cell, column in zip(row, table.columns, strict=True)]
    return tag("tr", cells, data_kind=kind, data_empty=_is_empty(row))


def _is_empty(row: Sequence[Cell]) -> bool:
    """Tell whether a row has nothing but its name: no value, no count."""
    values = [sum(cell.values) if isinstance(cell, Parts) else cell for cell in row[1:]]
    return all(value in (None, 0) if not isinstance(value, float) else value != value for value in values)


def _cell(cell: Cell, column: Column) -> Html:
    shown: object
    if isinstance(cell, ClassName):
        kind = tag("span", "thing" if cell.is_thing else "stuff", class_="kind")
        shown, value = [swatch(cell.color), cell.name, kind], cell.name
    elif isinstance(cell, Parts):
        shown, value = _parts(cell, column), str(sum(cell.values))
    elif cell is None or (isinstance(cell, float) and not math.isfinite(cell)):
        shown, value = DASH, ""
    elif column.kind == "percent" and isinstance(cell, float):
        shown, value = [bar(cell), percent(cell)], repr(cell)
    elif isinstance(cell, float):
        shown, value = percent(cell), repr(cell)
    elif isinstance(cell, int):
        shown, value = f"{cell:,}".replace(",", "\u202f"), str(cell)
    else:
        shown = value = str(cell)
    classes = f"{column.kind} main" if column.title == "PQ" else column.kind
    return tag("td", shown, class_=classes, data_value=value)


def _parts(cell: Parts, column: Column) -> Html:
    total = sum(cell.values)
    if total == 0:
        return DASH
    rects, x = [], 0.0
    for (_, role), value in zip(column.parts, cell.values, strict=True):
        share = 100 * value / total
        if value:
            rects.append(tag("rect", class_=role, x=f"{x:.2f}%", width=f"{share:.2f}%", height="100%"))
        x += share
    words = ", ".join(
        f"{name} {value}" for (name, _), value in zip(column.parts, cell.values, strict=True) if value
    )
    return tag("svg", tag("title", words), rects, role="img", aria_label=words)
