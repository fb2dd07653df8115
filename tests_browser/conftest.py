"""A report of spoiled scenes in a real browser; `nox -s browser` installs what is needed."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from panoptic_core.categories import Category, CategoryTable
from panoptic_core.evaluating import evaluate_folders
from panoptic_core.files import PanopticWriter
from panoptic_core.report import Sources, write_report
from panoptic_core.testing import spoil, tiny_scene

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: nox -s browser")

EVIL = "car<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight scenes of 128 x 192; the class car has an evil name, and one class never occurs."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "images").mkdir()
    table = tiny_scene().table
    rows = [Category(c.category_id, EVIL if c.name == "car" else c.name, c.is_thing, c.color) for c in table]
    table = CategoryTable("scenes", (*rows, Category(99, "water", False, (0, 80, 200))))
    with (
        PanopticWriter(folder / "gt.json", table=table) as truths,
        PanopticWriter(folder / "pred.json", table=table) as guesses,
    ):
        for number in range(8):
            scene = tiny_scene(128, 192)
            truths.add(number, f"{number}.jpg", scene.segmentation)
            guesses.add(
                number,
                f"{number}.jpg",
                spoil(scene.segmentation, tiny_scene().table, number),
                with_scores=True,
            )
            Image.fromarray(scene.image).save(folder / "images" / f"{number}.jpg")
    sources = Sources(folder / "gt.json", folder / "pred.json", images=folder / "images")
    outcome = evaluate_folders(sources.gt_json, sources.pred_json, workers=1)
    path = folder / "report <&> ü.html"
    assert write_report(path, outcome, sources, worst=5) == []
    return path


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium, as Debian packages it."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("chromium or chromedriver is missing: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    still = "--force-prefers-reduced-motion"  # the driver does not wait for smooth scrolling
    for argument in (still, "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.chrome.service.Service(driver)
    browser = webdriver.Chrome(options=options, service=service)
    try:
        yield browser
    finally:
        browser.quit()


@pytest.fixture
def page(browser: Any, report: Path) -> Iterator[Any]:
    """The report, freshly opened; at the end the browser must have nothing to complain about."""
    browser.set_window_size(1280, 900)
    browser.get(report.as_uri())
    browser.get_log("browser")
    browser.execute_script("localStorage.clear()")
    browser.refresh()
    yield browser
    assert browser.get_log("browser") == []
    assert browser.execute_script("return window.hacked") is None
