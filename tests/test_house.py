"""The house is as the design says: who imports whom, and through which door."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "linkwell"

ORDER = (
    "base",
    "engine",
    "rights",
    "build",
    "ledger",
    "lists",
    "pictures",
    "populate",
    "audit",
    "cases",
    "feed",
    "release",
    "recall",
    "purge",
    "demo",
    "cli",
)
"""Data flows down this list; a package imports only those above it."""


def _modules() -> list[Path]:
    return sorted(p for p in SOURCE.rglob("*.py") if p.parent != SOURCE)


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module == "linkwell")


def test_every_package_has_its_place() -> None:
    """A new folder must say where it stands."""
    folders = {p.name for p in SOURCE.iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert folders <= set(ORDER)


@pytest.mark.parametrize("path", _modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_go_one_way_and_through_the_front_door(path: Path) -> None:
    """Upwards only; another package only by its face, except base, whose modules are its face."""
    package = path.relative_to(SOURCE).parts[0]
    for name in _imports(path):
        parts = name.split(".")
        if parts[0] != "linkwell" or len(parts) == 1 or parts[1] == package or parts[1] not in ORDER:
            continue
        assert ORDER.index(parts[1]) < ORDER.index(package), f"{package} imports {name}, which stands below it"
        assert parts[1] == "base" or len(parts) == 2, f"{package} reaches into {name}"


@pytest.mark.parametrize("package", [p for p in ORDER if p != "base"])
def test_a_face_lists_what_it_offers(package: str) -> None:
    """Every name in `__all__` is there."""
    if not (SOURCE / package).exists():
        pytest.skip(f"no {package} yet")
    module = __import__(f"linkwell.{package}", fromlist=["__all__"])
    assert all(hasattr(module, name) for name in module.__all__)


def test_every_test_file_is_collected(request: pytest.FixtureRequest) -> None:
    """A runner's defaults pass over some names of folders (`build`, `dist`): none of ours may be among them."""
    passed_over = request.config.getini("norecursedirs")
    folders = {p.parent.name for p in (Path(__file__).parent).rglob("test_*.py")} | {p.name for p in SOURCE.iterdir()}
    assert not [
        name for name in folders if any(Path(name).match(pattern) for pattern in passed_over) and name[0] not in "._"
    ]
