"""Options that say something only beside others: given alone they would be passed over silently, which is wrong usage."""

from collections.abc import Collection, Mapping

import typer

from linkwell.base.errors import UsageError


def typed(context: typer.Context) -> dict[str, str]:
    """The options that stand on the command line: the parameter's name → as they are called."""
    return {
        parameter.name: max(parameter.opts, key=len)
        for parameter in context.command.params
        if parameter.name and str(getattr(context.get_parameter_source(parameter.name), "name", "")) == "COMMANDLINE"
    }


def require(option: str, needed: str, *, given: object, there: object) -> None:
    """Refuse an option that says something only beside another.

    Args:
        option: as it is called.
        needed: what it goes with.
        given: whether the option was given.
        there: whether what it goes with is there.

    Raises:
        UsageError: it is not.
    """
    if given and not there:
        raise UsageError(f"this has no effect without {needed}", option, f"Give {needed} as well, or leave it out.")


def refuse_beside(option: str, others: Collection[str], there: Mapping[str, str]) -> None:
    """Refuse options that have no effect beside another.

    Args:
        option: the one that is given, as it is called.
        others: names of parameters that it makes idle.
        there: from `typed`.

    Raises:
        UsageError: one of them is there.
    """
    idle = [called for name, called in there.items() if name in others]
    if idle:
        raise UsageError(f"this has no effect beside {option}", ", ".join(idle), "Leave out the one or the other.")
