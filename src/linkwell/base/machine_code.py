"""Machine code that is made once on a machine and kept as object code, so that later processes load it without numba.

numba, which makes it, costs 0.3 s and 60 MB to import, and its own cache is a pickle. Here a file holds a line of JSON that says what the
code was made of, from which source, for which processor, and then the object code itself, which llvmlite links into the process.

It is kept in the user's own cache folder (`LINKWELL_CACHE`, else `$XDG_CACHE_HOME/linkwell`, else `~/.cache/linkwell`), mode 0700, as
Python keeps its bytecode; never in a workspace, which may come from somebody else. Where that folder is another's, or cannot be written,
every process makes its own (some seconds). A file that is damaged, or not what was asked for, is made anew.
"""

import contextlib
import ctypes
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import msgspec

from linkwell.base.code_cache import cache_folder
from linkwell.base.errors import StorageError
from linkwell.base.shards import write_bytes

Function = Callable[..., int]
"""Of whole numbers of 64 bits, of which some are addresses. While it runs, other threads of Python do too."""

_FORMAT = 1
_KEPT = 8
"""Files of one name that are kept: of other versions, or processors that share a home."""


class _Made(msgspec.Struct, frozen=True):
    """What decides the code: where anything here differs, it is made anew."""

    format: int
    name: str
    source_sha256: str
    numba: str
    llvmlite: str
    target: str
    processor: str
    features: str


class _Header(msgspec.Struct, frozen=True):
    """The first line of a file."""

    made: _Made
    functions: dict[str, int]
    code_sha256: str


def functions_of(name: str, sources: Sequence[Path], make: Callable[[], Mapping[str, Function]]) -> dict[str, Function]:
    """Functions as machine code, from the cache or made now.

    Args:
        name: of the code, as part of a file name.
        sources: all files that the code is made from, besides `compiled`, as a change in any must make it anew.
        make: returns functions for `compiled.object_code`; asked only where nothing is kept, so that it may import numba.
    """
    made = _made(name, sources)
    folder = cache_folder()
    if folder is None:
        return _linked(*_make_now(make))
    path = _path(folder, made)
    kept = _kept(path, made)
    if kept is None:
        with _alone(path):
            # Another process may have made it meanwhile.
            kept = _kept(path, made)
            if kept is None:
                kept = _make_now(make)
                _keep(path, _Header(made, kept[0], hashlib.sha256(kept[1]).hexdigest()), kept[1])
    return _linked(*kept)


def kept_functions(name: str, sources: Sequence[Path]) -> dict[str, Function] | None:
    """The same functions where an earlier process made them; None where they would have to be made."""
    made = _made(name, sources)
    folder = cache_folder()
    kept = None if folder is None else _kept(_path(folder, made), made)
    return None if kept is None else _linked(*kept)


def _path(folder: Path, made: _Made) -> Path:
    return folder / f"{made.name}-{hashlib.sha256(msgspec.json.encode(made)).hexdigest()[:16]}.code"


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let no two processes make the same code, which takes long; where there are no locks, they do."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            file = stack.enter_context(path.with_suffix(".lock").open("wb"))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
        with contextlib.suppress(OSError):
            path.with_suffix(".lock").unlink()


def _make_now(make: Callable[[], Mapping[str, Function]]) -> tuple[dict[str, int], bytes]:
    from linkwell.base.compiled import object_code  # noqa: PLC0415 - numba

    functions = make()
    return {name: _arguments(function) for name, function in functions.items()}, object_code(functions)


def _arguments(function: Function) -> int:
    code = function.__code__
    return int(code.co_argcount)


def _made(name: str, sources: Sequence[Path]) -> _Made:
    digest = hashlib.sha256()
    for path in (Path(__file__).with_name("compiled.py"), *sources):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return _Made(
        format=_FORMAT,
        name=name,
        source_sha256=digest.hexdigest(),
        numba=version("numba"),
        llvmlite=version("llvmlite"),
        target=llvm.get_process_triple(),
        processor=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
    )


def _kept(path: Path, made: _Made) -> tuple[dict[str, int], bytes] | None:
    """What a file holds, or None where it is not there, is damaged, or is another's."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_uid != os.geteuid():
                return None
            line, _, code = file.read().partition(b"\n")
        header = msgspec.json.decode(line, type=_Header)
    except (OSError, msgspec.DecodeError):
        return None
    if header.made != made or hashlib.sha256(code).hexdigest() != header.code_sha256:
        return None
    return header.functions, code


def _keep(path: Path, header: _Header, code: bytes) -> None:
    """Write a file whole or not at all; where it cannot be, the next process makes the code again."""
    with contextlib.suppress(StorageError):
        write_bytes(path, msgspec.json.encode(header) + b"\n" + code, 0o600)
    for each in sorted(path.parent.glob(f"{header.made.name}-*.code"), key=_changed_at)[:-_KEPT]:
        with contextlib.suppress(OSError):
            each.unlink()


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0


_engines: list[Any] = []
"""What holds linked code, which stays as long as the process."""


def _linked(functions: Mapping[str, int], code: bytes) -> dict[str, Function]:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)
    return {name: _called(engine.get_function_address(name), count) for name, count in functions.items()}


def _called(address: int, arguments: int) -> Function:
    return ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * arguments)(address)
