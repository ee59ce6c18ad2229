"""Plug-ins by entry point: found without an import, loaded by name, and each failure one clear error."""

from __future__ import annotations

import sys

import pytest

from crossrt.core.errors import PluginError
from crossrt.core.plugins import load_plugin, registered

GROUP = "crossrt.tests"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Leaves a package as an installer would."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(package, source, **points):
        (tmp_path / f"{package}.py").write_text(source)
        metadata = tmp_path / f"{package}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [f"{name} = {target}" for name, target in points.items()]
        (metadata / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines, ""]))

    return install


def test_plugins_are_found_without_being_imported(install):
    install("lazy_one", "raise SystemExit('imported')", one="lazy_one:One")
    assert list(registered(GROUP)) == ["one"]
    assert "lazy_one" not in sys.modules


def test_a_class_gives_its_object_and_an_object_stays_one(install):
    install("two_kinds", "class Made:\n    pass\nready = (1, 2)\n", made="two_kinds:Made", ready="two_kinds:ready")
    assert type(load_plugin(GROUP, "made")).__name__ == "Made"
    assert load_plugin(GROUP, "ready") == (1, 2)


def test_an_unknown_name_lists_what_is_available(install):
    install("known_one", "Thing = object()", thing="known_one:Thing")
    with pytest.raises(PluginError, match="available: thing"):
        load_plugin(GROUP, "think")


def test_a_plugin_that_fails_on_import_is_named_with_its_own_error(install):
    install("broken_one", "raise RuntimeError('no such device')", broken="broken_one:Thing")
    with pytest.raises(PluginError, match=r"broken.*broken_one:Thing.*RuntimeError: no such device"):
        load_plugin(GROUP, "broken")


def test_two_plugins_of_one_name_are_refused(install):
    install("first_one", "Thing = 1", same="first_one:Thing")
    install("second_one", "Thing = 2", same="second_one:Thing")
    with pytest.raises(PluginError, match=r"two plug-ins.*'same'.*first_one:Thing and second_one:Thing"):
        registered(GROUP)
