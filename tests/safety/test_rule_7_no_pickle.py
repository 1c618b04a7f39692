"""Ground rule 7: no pickle anywhere; a file from outside is data."""

import ast
from pathlib import Path

import pytest

_SOURCES = Path(__file__).parents[2] / "src"
_MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "marshal", "shelve", "joblib", "jsonpickle", "torch"}
"""Modules whose readers run what a file says."""
_EVALUATORS = {"eval", "exec", "read_pickle", "to_pickle", "unsafe_load", "full_load"}


def _offences(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Call):
            called = node.func
            name = (
                called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
            )
            if name in _EVALUATORS:
                found.append(f"line {node.lineno}: {name}()")
            if name in {"import_module", "__import__"}:
                names = [str(argument.value) for argument in node.args if isinstance(argument, ast.Constant)]
            found += [
                f"line {node.lineno}: allow_pickle"
                for keyword in node.keywords
                if keyword.arg == "allow_pickle"
                and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
            ]
        found += [f"import of {name}" for name in names if name.split(".")[0] in _MODULES]
    return found


def _files() -> list[Path]:
    return sorted(_SOURCES.rglob("*.py"))


def test_no_source_reads_or_writes_pickles() -> None:
    """No module of ours imports a pickling library, evaluates text, or lets numpy read pickled arrays."""
    assert len(_files()) > 20
    found = {
        str(path.relative_to(_SOURCES)): offences
        for path in _files()
        if (offences := _offences(ast.parse(path.read_text("utf-8"))))
    }
    assert found == {}


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "import os, dill as d",
        "from pickle import loads",
        "from joblib import dump",
        "import importlib; importlib.import_module('marshal')",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=flag)",
        "pd.read_pickle(path)",
        "eval(text)",
    ],
)
def test_the_search_finds_them(code: str) -> None:
    """The test above would see each of these."""
    assert _offences(ast.parse(code))
    assert not _offences(ast.parse("np.load(path, allow_pickle=False); import json"))
