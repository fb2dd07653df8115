"""The project's commands. ``nox -l`` lists them; ``nox -s NAME`` runs one with all the set-up it needs.

Every installation passes ``-c constraints.txt``: the versions that were run, and nothing newer by surprise.
Arguments after ``--`` go to the command at the end of a session: ``nox -s "tests(fusion)" -- -k nms``.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "virtualenv"
nox.options.error_on_missing_interpreters = True

ROOT = Path(__file__).parent
PACKAGES = ["fusion", "core", "data", "heads"]  # in the order of their dependencies
# A suite's name -> what is installed for it, in the order of dependencies. Its tests see nothing else.
SUITES = {
    "fusion": ["fusion"],
    "core": ["fusion", "core"],
    "core-mm": ["fusion", "core[mm]"],
    "data": ["fusion", "core[mm]", "data"],
    "heads": ["fusion", "core[mm]", "heads"],
    "integration": ["fusion", "core[mm]", "data", "heads"],
}
SUITE_PATHS = {
    "core": ["packages/panoptic-core"],
    "core-mm": ["packages/panoptic-core"],
    "integration": ["tests"],
}
EVERYTHING = SUITES["integration"]


def install(session: nox.Session, *arguments: str) -> None:
    """Install into a session's environment, always under the project's constraints."""
    session.install("-q", "-c", str(ROOT / "constraints.txt"), *arguments)


def editable(names: list[str]) -> list[str]:
    """Return pip's arguments that install packages from this clone in editable mode."""
    return [argument for name in names for argument in ("-e", f"{ROOT}/packages/panoptic-{name}")]


def test_requirements(names: list[str]) -> list[str]:
    """Return what the ``test`` groups of some packages ask for."""
    packages = [name.partition("[")[0] for name in names]
    requirements: set[str] = set()
    for package in packages:
        project = nox.project.load_toml(ROOT / f"packages/panoptic-{package}/pyproject.toml")
        requirements.update(nox.project.dependency_groups(project, "test"))
    return sorted(requirements)


def say_what_real_data_does(session: nox.Session) -> None:
    """Say whether the checks on real images run."""
    root = os.environ.get("PANOPTIC_DATA_ROOT")
    session.log(
        f"PANOPTIC_DATA_ROOT={root}: the checks on real images run."
        if root
        else "PANOPTIC_DATA_ROOT is not set: the checks on real images are skipped."
    )


@nox.session
def quickstart(session: nox.Session) -> None:
    """Train TASCNet and its baseline on generated scenes, evaluate, write pictures. Minutes on two cores."""
    install(session, *editable(EVERYTHING))
    session.run("python", "tools/quickstart.py", *session.posargs)


@nox.session
@nox.parametrize("suite", list(SUITES), ids=list(SUITES))
def tests(session: nox.Session, suite: str) -> None:
    """Run one package's tests with only that package and what it declares installed; last, all together."""
    names = SUITES[suite]
    say_what_real_data_does(session)
    install(session, *editable(names), *test_requirements([names[-1]] if suite != "integration" else names))
    paths = SUITE_PATHS.get(suite, [f"packages/panoptic-{suite}"])
    # Two ranks or two torch pools on two cores only wait for each other; small tensors need one thread.
    session.env.setdefault("OMP_NUM_THREADS", "1")
    doctests = [] if suite == "integration" else ["--doctest-modules"]
    session.run("pytest", *doctests, "-m", "not gpu", *paths, *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style (ruff), types (mypy), borders (import-linter) and declared dependencies (deptry)."""
    tools = ["ruff", "mypy", "import-linter", "deptry", "pytest", "hypothesis", "nox"]
    install(session, *editable(EVERYTHING), *tools)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    for package in PACKAGES:
        session.run("mypy", f"packages/panoptic-{package}/src")
    session.run("lint-imports", "--config", "pyproject.toml")
    for package in PACKAGES:
        with session.chdir(f"packages/panoptic-{package}"):
            session.run("deptry", "src")


@nox.session
def build(session: nox.Session) -> None:
    """Build wheels and sdists; use the wheels in empty environments: fusion, bare core, everything."""
    dist = ROOT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    install(session, "build", "hatchling")
    for package in PACKAGES:
        session.run(
            "python",
            "-m",
            "build",
            "--no-isolation",
            "--outdir",
            str(dist),
            f"packages/panoptic-{package}",
            silent=True,
        )
    session.run("python", "tools/check_wheels.py", str(dist), *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation (warnings are errors) and run the examples in it."""
    tools = ["sphinx", "furo", "myst-parser", "sphinx-copybutton", "sybil", "pytest"]
    install(session, *editable(EVERYTHING), *tools)
    pages = ["docs", "README.md", *[f"packages/panoptic-{name}/README.md" for name in PACKAGES]]
    session.run("python", "-m", "pytest", "-q", "-p", "docs.run_examples", *pages)
    session.run(
        "sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build/html", *session.posargs
    )
    session.log("The pages are in docs/_build/html/index.html.")


@nox.session(default=False)
def realdata(session: nox.Session) -> None:
    """Train, overfit and evaluate on the real sets under PANOPTIC_DATA_ROOT (over an hour on two cores)."""
    if not os.environ.get("PANOPTIC_DATA_ROOT"):
        session.error("Set PANOPTIC_DATA_ROOT to the folder that holds coco_mini/ and cityscapes_mini/.")
    install(session, *editable(EVERYTHING))
    session.run("python", "tools/realdata.py", *session.posargs)


@nox.session(default=False)
def experiments(session: nox.Session) -> None:
    """Run the seeded comparisons of the docs: resumable, one JSON a run, at most four minutes a training."""
    install(session, *editable(EVERYTHING))
    session.run("python", "tools/experiments.py", *session.posargs)


@nox.session(default=False)
def compare(session: nox.Session) -> None:
    """Train, test, count and time all methods on generated scenes: one table, resumable."""
    install(session, *editable(EVERYTHING))
    session.run("python", "tools/compare.py", *session.posargs)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Time fusion, metrics, loading and ops beside their peers: ``nox -s bench -- fusion``."""
    install(session, *editable(EVERYTHING), "cityscapesscripts")
    for name in session.posargs or ["fusion", "metrics", "loading", "ops"]:
        session.run("python", "tools/benchmark.py", name)


@nox.session(default=False)
def browser(session: nox.Session) -> None:
    """Open the HTML report in Debian's Chromium: no errors, sorting, pictures, keys."""
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    if missing:
        session.error(f"{' and '.join(missing)} missing: apt-get install chromium chromium-driver")
    install(session, *editable(["fusion", "core"]), "selenium", "pytest")
    session.env.setdefault("OMP_NUM_THREADS", "1")
    session.run("pytest", "tests_browser", *session.posargs)


@nox.session(default=False)
def tests_mmcv(session: nox.Session) -> None:
    """Compile mmcv (about ten minutes) and hold our ops against its own, values and gradients."""
    install(session, "torch")
    # mmcv's setup needs pkg_resources; torch upgrades setuptools, hence the order. A wheel from an isolated
    # build has no ops, and pip would keep it: no cache.
    session.install("-q", "setuptools<80", "wheel", "ninja", "psutil")
    session.install("--no-build-isolation", "--no-cache-dir", "mmcv==2.1.0", env={"MMCV_WITH_OPS": "1"})
    # The compiled mmcv owns the import name: mmcv-lite stays out, so our packages come without dependencies.
    install(session, "mmdet", "mmengine", "pycocotools", "pillow", "pytest", "hypothesis")
    session.install("-q", "--no-deps", *editable(["fusion", "core"]))
    session.env.setdefault("OMP_NUM_THREADS", "1")
    session.run("pytest", "tests_mmcv", *session.posargs)
    session.run("python", "tools/benchmark.py", "ops")


@nox.session(default=False)
def tests_onedl(session: nox.Session) -> None:
    """Run the OpenMMLab-facing suites on the living fork (onedl-*), which owns the same import names."""
    install(session, "torch", "numpy", "pillow", "pycocotools", *test_requirements(["core", "data", "heads"]))
    session.install("-q", "onedl-mmengine==0.10.12", "onedl-mmcv==2.3.6", "onedl-mmdetection==3.5.1")
    session.install("-q", "--no-deps", *editable(PACKAGES))
    session.env.setdefault("OMP_NUM_THREADS", "1")
    paths = ["packages/panoptic-core", "packages/panoptic-data", "packages/panoptic-heads", "tests"]
    session.run("pytest", "-m", "not gpu", *paths, *session.posargs)


@nox.session(default=False)
def gpu(session: nox.Session) -> None:
    """Run the tests marked ``gpu``; ``-- --stage DIR`` only gathers the wheels that a GPU machine lacks."""
    if "--stage" in session.posargs:
        folder = Path(session.posargs[session.posargs.index("--stage") + 1])
        install(session, "build", "hatchling")
        for package in PACKAGES:
            session.run(
                "python",
                "-m",
                "build",
                "--no-isolation",
                "--wheel",
                "--outdir",
                str(folder),
                f"packages/panoptic-{package}",
            )
        wheels = [
            "mmcv-lite",
            "mmdet",
            "mmengine",
            "addict",
            "yapf",
            "termcolor",
            "terminaltables",
            "pycocotools",
            "hypothesis",
            "sortedcontainers",
        ]
        session.run("pip", "download", "-q", "--no-deps", "-c", "constraints.txt", "-d", str(folder), *wheels)
        session.log(
            f"On the GPU machine: pip install --no-index --no-deps {folder}/*.whl; pytest -m gpu packages"
        )
        return
    install(session, *editable(EVERYTHING), *test_requirements(PACKAGES))
    session.run("pytest", "-m", "gpu", "packages", "tests", *session.posargs)


@nox.session(default=False)
def release(session: nox.Session) -> None:
    """Build one package for release and check it: ``nox -s release -- fusion``."""
    if len(session.posargs) != 1 or session.posargs[0] not in PACKAGES:
        session.error(f"Name one package of {PACKAGES}: nox -s release -- fusion")
    package = session.posargs[0]
    install(session, "build", "hatchling", "hatch", "twine")
    with session.chdir(f"packages/panoptic-{package}"):
        version = (session.run("hatch", "version", silent=True) or "").strip()
        changelog = Path("CHANGELOG.md").read_text(encoding="utf-8")
        if f"## [{version}]" not in changelog:
            session.error(
                f"CHANGELOG.md of panoptic-{package} has no section [{version}]: rename [Unreleased] first."
            )
    dist = ROOT / "dist" / "release"
    shutil.rmtree(dist, ignore_errors=True)
    session.run(
        "python", "-m", "build", "--no-isolation", "--outdir", str(dist), f"packages/panoptic-{package}"
    )
    session.run("twine", "check", "--strict", *map(str, sorted(dist.iterdir())))
    session.log(f"git tag panoptic-{package}-v{version} && twine upload {dist}/*")


if __name__ == "__main__":
    sys.exit("Run `nox -s NAME`; `nox -l` lists the sessions.")
