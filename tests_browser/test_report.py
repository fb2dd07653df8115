"""What the report does in a browser: pictures load, tables sort and filter, the large view works by keys."""

from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

CLASSES = "#classes table"


def find(page: Any, query: str) -> Any:
    return page.find_element(By.CSS_SELECTOR, query)


def find_all(page: Any, query: str) -> list[Any]:
    return page.find_elements(By.CSS_SELECTOR, query)


def column(page: Any, place: int) -> list[str]:
    """The values of a column of the classes' table, as they stand."""
    script = "return Array.from(document.querySelectorAll(arguments[0]), td => td.dataset.value)"
    return page.execute_script(script, f"{CLASSES} tbody.rows tr:not([hidden]) td:nth-child({place})")


def header(page: Any, place: int) -> Any:
    return find(page, f"{CLASSES} th:nth-child({place})")


def press(page: Any, *keys: str) -> None:
    ActionChains(page).send_keys(*keys).perform()


def test_every_picture_loads_and_nothing_else_is_asked_for(page: Any) -> None:
    script = """
      const done = arguments[0];
      Promise.all(Array.from(document.querySelectorAll("image"), async (image) => {
        const picture = new Image();
        picture.src = image.getAttribute("href");
        await picture.decode();
        return [picture.naturalWidth, picture.naturalHeight];
      })).then(done, (error) => done(String(error)));
    """
    sizes = page.execute_async_script(script)
    assert sizes == [[192, 128]] * (5 + 5 * 3)
    asked = page.execute_script("return performance.getEntriesByType('resource').map(one => one.name)")
    assert [name for name in asked if not name.startswith("data:")] == []
    boxes = [panel.rect for panel in find_all(page, "button.panel svg")]
    assert len(boxes) == 20
    assert all(box["width"] > 200 and box["height"] > 100 for box in boxes)


def test_numbers_sort_down_then_up_and_what_is_missing_stays_last(page: Any) -> None:
    assert column(page, 1)[-1] == "water"  # never occurs
    assert header(page, 2).get_attribute("aria-sort") == "none"
    find(header(page, 2), "button").click()
    down = column(page, 2)
    assert header(page, 2).get_attribute("aria-sort") == "descending"
    assert down[-1] == ""
    assert [float(v) for v in down[:-1]] == sorted((float(v) for v in down[:-1]), reverse=True)
    find(header(page, 2), "button").click()
    up = column(page, 2)
    assert header(page, 2).get_attribute("aria-sort") == "ascending"
    assert up[-1] == ""
    assert up[:-1] == sorted(down[:-1], key=float)


def test_names_sort_by_letters_and_keys_do(page: Any) -> None:
    find(header(page, 1), "button").send_keys(Keys.ENTER)
    assert column(page, 1) == sorted(column(page, 1), key=str.lower)
    assert header(page, 1).get_attribute("aria-sort") == "ascending"
    find(header(page, 5), "button").send_keys(Keys.SPACE)
    assert header(page, 1).get_attribute("aria-sort") == "none"
    assert header(page, 5).get_attribute("aria-sort") == "descending"
    counts = [int(value) for value in column(page, 5)]
    assert counts == sorted(counts, reverse=True)


def test_things_stuff_and_a_part_of_a_name(page: Any) -> None:
    for kind, count in (("things", 2), ("stuff", 4), ("all", 6)):
        find(page, f"#classes button[data-kind={kind}]").click()
        assert len(column(page, 1)) == count
        assert find(page, "#classes .count").text == f"{count} of 6 classes"
    find(page, "#classes .occurring").click()
    assert len(column(page, 1)) == 5
    assert "water" not in column(page, 1)
    find(page, "#classes .occurring").click()
    find(page, "#classes input").send_keys("WATE")
    assert column(page, 1) == ["water"]
    find(header(page, 2), "button").click()
    assert column(page, 1) == ["water"]


def test_themes(page: Any) -> None:
    paper = "return getComputedStyle(document.body).backgroundColor"
    light = page.execute_script(paper)
    assert find(page, "#theme").text == "Dark"
    find(page, "#theme").click()
    dark = page.execute_script(paper)
    assert dark != light
    assert find(page, "#theme").text == "Light"
    page.refresh()
    assert page.execute_script(paper) == dark  # remembered
    page.execute_script("localStorage.clear()")
    feature = [{"name": "prefers-color-scheme", "value": "dark"}]
    try:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": feature})
        page.refresh()
        assert page.execute_script(paper) == dark
        find(page, "#theme").click()
        assert page.execute_script(paper) == light
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_the_large_view_by_mouse_and_keys(page: Any) -> None:
    panel = find_all(page, "button.panel")[1]
    panel.click()
    assert find(page, "dialog").is_displayed()
    names = [article.get_attribute("data-name") for article in find_all(page, "article")]

    def state() -> tuple[str, str]:
        tab = find(page, "dialog .tabs button[aria-pressed=true]")
        return find(page, "dialog .name").text, tab.get_attribute("textContent")

    assert state() == (names[0], "ground truth")
    press(page, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert state() == (names[0], "mismatch")
    assert "missed" in find(page, "dialog .legend").text
    press(page, Keys.ARROW_RIGHT)
    assert state() == (names[0], "image")
    press(page, Keys.ARROW_DOWN)
    assert state() == (names[1], "image")
    press(page, Keys.ARROW_UP, Keys.ARROW_UP)
    assert state() == (names[-1], "image")
    find(page, "dialog .next").click()
    press(page, Keys.ARROW_LEFT)
    assert state() == (names[0], "mismatch")
    press(page, Keys.ESCAPE)
    assert not find(page, "dialog").is_displayed()
    focused = page.switch_to.active_element
    assert focused.get_attribute("aria-label") == f"mismatch of {names[0]}"
    focused.send_keys(Keys.ENTER)
    assert state() == (names[0], "mismatch")


def test_pointing_at_a_segment_says_what_it_is(page: Any) -> None:
    find_all(page, "button.panel")[1].click()
    stage = find(page, "dialog .stage svg")
    says = find(page, "dialog .says")
    heard = set()
    WebDriverWait(page, 5).until(lambda _: _point(page, stage, 0, 0.45) or "segment" in says.text)
    for across in (-0.2, 0.1, 0.22):
        for down in (-0.4, 0.05, 0.3, 0.48):
            _point(page, stage, across, down)
            heard.add(says.text.split(" (")[0])
    assert {"road", "sky"} <= heard
    _point(page, stage, -0.42, 0.46)  # the lower left corner is void; the stage is wider than the picture
    assert says.text == "void"


def _point(page: Any, element: Any, across: float, down: float) -> None:
    """Point at a place of the picture, in parts of its height from its middle."""
    height = element.rect["height"]
    x, y = round(across * height * 1.5), round(down * height)
    ActionChains(page).move_to_element_with_offset(element, x, y).perform()


def test_one_slider_moves_all_maps(page: Any) -> None:
    opacity = "return getComputedStyle(document.querySelectorAll('article .layer')[4]).opacity"
    assert page.execute_script(opacity) == "0.65"
    find(page, "#images .opacity input").send_keys(Keys.HOME)
    assert page.execute_script(opacity) == "0"
    assert page.execute_script("return document.querySelector('dialog .opacity input').value") == "0"


@pytest.mark.parametrize("width", [1280, 520])
def test_nothing_is_cut_off_and_every_control_has_a_name(page: Any, width: int) -> None:
    page.set_window_size(width, 900)
    overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.execute_script(overflow) == 0
    nameless = """return Array.from(document.querySelectorAll("button, input, a, [role=img], [role=region]"))
      .filter(one => !(one.textContent.trim() || one.getAttribute("aria-label")
              || (one.labels && one.labels.length))).map(one => one.outerHTML.slice(0, 120))"""
    assert page.execute_script(nameless) == []


def test_the_policy_stops_what_is_not_the_page_own(browser: Any, report: Path) -> None:
    browser.get(report.as_uri())
    script = """
      const done = arguments[0], stopped = [];
      document.addEventListener("securitypolicyviolation", (event) => {
        stopped.push(event.effectiveDirective);
        if (stopped.length === 2) done(stopped);
      });
      const script = document.createElement("script");
      script.textContent = "window.hacked = 3";
      document.body.append(script);
      new Image().src = "https://example.invalid/a.png";
    """
    assert sorted(browser.execute_async_script(script)) == ["img-src", "script-src-elem"]
    assert browser.execute_script("return window.hacked") is None
    browser.get_log("browser")
