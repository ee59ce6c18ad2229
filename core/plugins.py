"""Plug-ins: what other packages register by entry point, found without importing them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from crossrt.core.errors import PluginError
from crossrt.core.user_code import line_of

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


def registered(group: str) -> Mapping[str, EntryPoint]:
    """Entry points of a group by name, sorted; nothing is imported.

    Raises:
        PluginError: Two packages register the same name.
    """
    from importlib.metadata import entry_points  # as costly as numpy: not for a process that needs no plug-in

    found: dict[str, EntryPoint] = {}
    for point in sorted(entry_points(group=group), key=lambda point: (point.name, point.value)):
        known = found.setdefault(point.name, point)
        if known.value != point.value:
            raise PluginError(
                f"two plug-ins of {group} are called {point.name!r}: {known.value} and {point.value}; uninstall one"
            )
    return found


def load_plugin(group: str, name: str) -> Any:
    """Imports a plug-in: an object, or what a class or function without arguments gives.

    Raises:
        PluginError: There is none of this name, or importing it fails.
    """
    points = registered(group)
    if name not in points:
        known = ", ".join(points) or "none"
        raise PluginError(f"no plug-in {name!r} is registered under {group}; available: {known}")
    try:
        loaded = points[name].load()
        return loaded() if callable(loaded) else loaded
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit and what test frameworks raise, too
        raise PluginError(
            f"the plug-in {name!r} ({points[name].value}) cannot be imported: {type(error).__name__}:"
            f" {error}{line_of(error)}"
        ) from error
