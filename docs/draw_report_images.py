"""Take the pictures of the page about the report: ``python docs/draw_report_images.py``.

Needs selenium and Debian's chromium and chromium-driver. The scenes are generated, the predictions are their
ground truth with the mistakes of :func:`panoptic_core.testing.spoil`.
"""

import os
import shutil
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image
from selenium import webdriver

from panoptic_core.evaluating import evaluate_folders
from panoptic_core.files import PanopticWriter, read_panoptic_json, read_segmentation
from panoptic_core.metrics import MEASURES
from panoptic_core.report import Sources, write_report
from panoptic_core.testing import spoil
from panoptic_data.generator.writer import write_scenes

FOLDER = Path(__file__).resolve().parent / "images"
WIDTH = 1240


def make_report() -> Path:
    """Generate scenes into the current folder, spoil them, evaluate."""
    write_scenes("scenes", 40, (288, 512), seed=3, workers=1)
    truth = read_panoptic_json("scenes/panoptic.json")
    with PanopticWriter("predictions/panoptic.json", table=truth.table) as writer:
        for number, one in enumerate(truth.annotations):
            png = Path("scenes/panoptic", one["file_name"])
            seg = read_segmentation(png, one["segments_info"], truth.table)
            guess = spoil(seg, truth.table, number)
            writer.add(one["image_id"], one["file_name"], guess, with_scores=True)
    sources = Sources("scenes/panoptic.json", "predictions/panoptic.json", images="scenes/images")
    outcome = evaluate_folders(sources.gt_json, sources.pred_json, measures=MEASURES)
    write_report("report.html", outcome, sources, worst=4, title="Generated scenes")
    return Path("report.html").resolve()


def take_pictures(report: Path) -> None:
    """Open the report and save what a reader sees of it."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    service = webdriver.chrome.service.Service(shutil.which("chromedriver") or "chromedriver")
    browser = webdriver.Chrome(options=options, service=service)
    try:
        browser.set_window_size(WIDTH, 1100)
        browser.get(report.as_uri())
        browser.execute_script("document.documentElement.style.scrollBehavior = 'auto'")
        save(browser.get_screenshot_as_png(), "report_top.png")
        for section, name in (("errors", "report_errors.png"), ("images", "report_images.png")):
            browser.execute_script(f"document.getElementById('{section}').scrollIntoView()")
            save(browser.get_screenshot_as_png(), name)
        browser.execute_script("document.getElementById('theme').click()")
        browser.execute_script("document.querySelectorAll('button.panel')[3].click()")
        save(browser.get_screenshot_as_png(), "report_large.png")
    finally:
        browser.quit()


def save(png: bytes, name: str) -> None:
    """Save a screenshot with few colours, so that the file stays small."""
    picture = Image.open(BytesIO(png)).convert("RGB")
    small = picture.quantize(256, kmeans=2, dither=Image.Dither.NONE)
    small.save(FOLDER / name, optimize=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        take_pictures(make_report())
