"""Maps the folders at the top level to the package `crossrt`: `harness/` is imported as `crossrt.harness`."""

from setuptools import find_packages, setup

ROOMS = ("analysis", "core", "datasets", "exporters", "fleet", "harness", "history", "reports", "runtimes")

found = find_packages(include=[pattern for room in ROOMS for pattern in (room, f"{room}.*")])
setup(
    package_dir={"crossrt": "api", **{f"crossrt.{room}": room for room in ROOMS}},
    packages=["crossrt", *(f"crossrt.{name}" for name in found)],
)
