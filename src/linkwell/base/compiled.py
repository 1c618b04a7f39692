"""Functions compiled by numba. Import it only where much is to do, or machine code is to be made: numba costs 0.3 s and 60 MB.

`compiled` makes functions that Python calls with arrays; numba keeps their code, beside that of `machine_code`, in the user's own cache
folder, or where there is none every process compiles anew (some seconds). `object_code` makes code that is kept and loaded without numba.
"""

import hashlib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

import llvmlite.binding as llvm
import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic as numba_intrinsic

from linkwell.base.code_cache import cache_folder

F = TypeVar("F", bound=Callable[..., object])

_CACHED = cache_folder()


def compiled(*parts: ModuleType) -> Callable[[F], F]:
    """A decorator: the function as machine code, made when it is first called; it lets other threads run meanwhile.

    Args:
        parts: modules whose functions it calls. Numba notices a change in the function's own file only, so that what is kept lies
            in a folder named by what these files hold.
    """

    def compile_later(function: F) -> F:
        if _CACHED is None:
            return cast("F", numba.njit(nogil=True)(function))
        held = b"".join(Path(str(each.__file__)).read_bytes() for each in parts)
        config: Any = numba.config
        before = config.CACHE_DIR
        config.CACHE_DIR = str(_CACHED / hashlib.sha256(held).hexdigest()[:16])
        try:
            return cast("F", numba.njit(cache=True, nogil=True)(function))
        finally:
            config.CACHE_DIR = before

    return compile_later


def part(function: F) -> F:
    """The function for use inside compiled ones; from Python it cannot be called, but its `py_func` can."""
    options: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return cast("F", numba.njit(**options)(function))


def intrinsic(function: Callable[..., Any]) -> Callable[..., int]:
    """A decorator: what the function generates, for use inside compiled ones; see numba's own `intrinsic`, which has no types."""
    return cast("Callable[..., int]", numba_intrinsic(function))


@intrinsic
def _pointer(_context: Any, _address: Any) -> Any:
    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

    return types.voidptr(types.int64), generate


_array_at: Any = numba.carray  # type: ignore[attr-defined] # published, but not in numba's stubs


@part
def bytes_at(address: int, length: int) -> npt.NDArray[np.uint8]:
    """So many bytes of memory."""
    bytes_there: npt.NDArray[np.uint8] = _array_at(_pointer(address), (length,), np.uint8)
    return bytes_there


@part
def numbers_at(address: int, length: int) -> npt.NDArray[np.int64]:
    """So many numbers of 64 bits in memory."""
    numbers: npt.NDArray[np.int64] = _array_at(_pointer(address), (length,), np.int64)
    return numbers


_LIBRARY = {"memcpy", "memmove", "memset", "memcmp", "bcmp", "pread"}
"""Functions that every process has."""


def object_code(functions: Mapping[str, Callable[..., int]]) -> bytes:
    """Object code of these functions for this processor; it needs nothing of Python's or numba's.

    They take and return whole numbers of 64 bits, may call `part`s, and may neither raise nor make arrays.
    """
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3, jit=True
    )
    whole = llvm.parse_assembly("")
    for name, function in functions.items():
        numbers = [types.int64] * len(inspect.signature(function).parameters)
        made: Any = numba.cfunc(types.int64(*numbers), error_model="numpy")(function)
        module = llvm.parse_assembly(made.inspect_llvm())
        module.get_function(made.native_name).name = name
        for each in (*module.functions, *module.global_variables):
            # What nothing outside calls may be changed as a whole, or left out.
            if not each.is_declaration and each.name != name:
                each.linkage = "internal"
        whole.link_in(module)
    tuning = llvm.create_pipeline_tuning_options(speed_level=3)
    passes = llvm.create_pass_builder(machine, tuning)
    passes.getModulePassManager().run(whole, passes)
    missing = {
        each.name
        for each in whole.functions
        if each.is_declaration and not each.name.startswith("llvm.") and each.name not in _LIBRARY
    }
    if missing:
        raise AssertionError(
            f"{', '.join(functions)}: asks for {', '.join(sorted(missing))}, which no process has by itself"
        )
    return cast("bytes", machine.emit_object(whole))
