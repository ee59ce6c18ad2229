"""Maps the folders at the top level to the package `crossrt`: `harness/` is imported as `crossrt.harness`.

`docs/` holds no modules: its pages come along for `crossrt docs`.
"""

from setuptools import find_packages, setup

ROOMS = ("analysis", "cli", "core", "datasets", "exporters", "fleet", "harness", "history", "reports", "runtimes")

found = find_packages(include=[pattern for room in ROOMS for pattern in (room, f"{room}.*")])
setup(
    package_dir={"crossrt": "api", **{f"crossrt.{room}": room for room in (*ROOMS, "docs")}},
    packages=["crossrt", "crossrt.docs", *(f"crossrt.{name}" for name in found)],
)
