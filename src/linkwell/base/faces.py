"""A package's face that loads a part when it is first asked for, for packages of which small processes need one part only."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def face_of(package: str, parts: Mapping[str, tuple[str, ...]]) -> Callable[[str], object]:
    """The `__getattr__` of a package (PEP 562): finds the names that its `__init__` offers in the modules that hold them.

    Args:
        package: the package's full name.
        parts: the names that each of its modules holds.

    Raises:
        ValueError: a name is that of a module, which would take its place once it is loaded.
    """
    module_of = {name: module for module, names in parts.items() for name in names}
    if shared := module_of.keys() & parts.keys():
        raise ValueError(f"{package} has names that are modules too: {sorted(shared)}")

    def get(name: str) -> object:
        if name not in module_of:
            raise AttributeError(f"{package} offers no {name}")
        value: object = getattr(import_module(f"{package}.{module_of[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return get
