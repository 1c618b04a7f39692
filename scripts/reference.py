"""Write the pages of the docs that are read off the code: docs/commands.md and docs/settings.md. `--check` only compares.

Run it with `make reference`; `make check` fails when a page has fallen behind.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import msgspec

from linkwell.base import settings
from linkwell.base.settings import Settings

ROOT = Path(__file__).parents[1]


def commands_page() -> str:
    """Every command with its help, as Typer prints it."""
    typer = Path(sys.executable).with_name("typer")
    command = [str(typer), "linkwell.cli", "utils", "docs", "--name", "linkwell", "--title", "Commands"]
    page = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return "\n".join(line.rstrip() for line in page.splitlines()).strip() + "\n"


def settings_page() -> str:
    """Every setting with its default and meaning."""
    lines = [
        "# Settings",
        "",
        "All settings stand in `linkwell.toml` in the workspace's folder; each has a default that is right for most. A name that does not",
        "exist is an error, not a default.",
        "",
        "| setting | default | meaning |",
        "| --- | --- | --- |",
        '| `dataset` | `"links"` | Name of the dataset. |',
    ]
    docs = _field_docs()
    for section in msgspec.structs.fields(Settings):
        if isinstance(section.type, type) and issubclass(section.type, msgspec.Struct):
            lines.extend(_rows(section.name, section.type, docs))
    return "\n".join([*lines, "", "```toml", 'dataset = "birds"', "", "[populate]", "concurrency = 32", "```", ""])


def _rows(prefix: str, section: type[msgspec.Struct], docs: dict[tuple[str, str], str]) -> Iterator[str]:
    """A row for each setting of a section, and of the sections in it."""
    for field in msgspec.structs.fields(section):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from _rows(f"{prefix}.{field.name}", field.type, docs)
            continue
        meaning = docs.get((section.__name__, field.name), "")
        yield f"| `{prefix}.{field.name}` | {_default(field)} | {meaning} |"
        named = [part for part in get_args(field.type) if isinstance(part, type) and issubclass(part, msgspec.Struct)]
        for part in named:
            yield from _rows(f"{prefix}.{field.name}.NAME", part, docs)


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "needed"
    value = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    return f"`{msgspec.json.encode(value).decode()}`"


def _field_docs() -> dict[tuple[str, str], str]:
    return dict(_walk(ast.parse(Path(str(settings.__file__)).read_text("utf-8"))))


def _walk(tree: ast.Module) -> Iterator[tuple[tuple[str, str], str]]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            for field, text in zip(node.body, node.body[1:], strict=False):
                if (
                    isinstance(field, ast.AnnAssign)
                    and isinstance(field.target, ast.Name)
                    and isinstance(text, ast.Expr)
                    and isinstance(text.value, ast.Constant)
                ):
                    yield (node.name, field.target.id), " ".join(str(text.value.value).split())


def main() -> int:
    """Write the pages, or with `--check` say which differ."""
    behind = []
    for name, page in (("commands.md", commands_page()), ("settings.md", settings_page())):
        path = ROOT / "docs" / name
        if not path.exists() or path.read_text("utf-8") != page:
            behind.append(name)
            if "--check" not in sys.argv:
                path.write_text(page, "utf-8")
    if behind and "--check" in sys.argv:
        sys.stderr.write(f"docs behind the code: {', '.join(behind)}; run: make reference\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
