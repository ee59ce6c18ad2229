"""Options that a runtime declares: which values pass, under which names, and what is said of others."""

from __future__ import annotations

import pytest

from crossrt.runtimes.configured import ConfiguredRuntime, declared_options, is_timed, values_of
from crossrt.runtimes.errors import OptionRefusedError, RuntimeNotInstalledError
from crossrt.runtimes.options import RuntimeOption, settled_options
from crossrt.runtimes.protocol import SessionOptions
from crossrt.runtimes.registry import get_runtime, selector_of
from crossrt.runtimes.selector import parse_selector

DECLARED = (
    RuntimeOption(name="arena", help="keeps memory", default="on", choices=("on", "off"), alias="session.arena"),
    RuntimeOption(name="streams", help="requests at a time", default="1", minimum=1, maximum=8),
    RuntimeOption(name="session.*", help="a key of its own", default="its own"),
)


class Plain:
    name = "plain"
    formats = ("onnx",)

    def version(self):
        return "1.0"

    def unsupported_reason(self, *_):
        return None

    def prepare(self, _, options):
        return options.runtime_options


class WithOptions(Plain):
    options = DECLARED

    def check_options(self, values):
        if values.get("streams") == "8":
            raise OptionRefusedError("this build runs no 8 streams")

    def is_timed(self, values):
        return values.get("arena") != "off"


def configured(text, runtime=None):
    return ConfiguredRuntime(runtime or WithOptions(), parse_selector(text))


@pytest.mark.parametrize(
    ("given", "settled"),
    [
        ({"streams": "008", "arena": "off"}, {"arena": "off", "streams": "8"}),
        ({"session.arena": "on"}, {"arena": "on"}),
        ({"session.arena": "on", "arena": "on"}, {"arena": "on"}),
        ({"session.any_key": "text;more"}, {"session.any_key": "text;more"}),
        ({}, {}),
    ],
)
def test_values_are_recorded_under_the_names_of_the_options(given, settled):
    found = settled_options("plain", DECLARED, given)
    assert found == settled
    assert list(found) == sorted(found)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"arenas": "on"},
            "plain has no option 'arenas' (did you mean 'arena'?); available: arena, streams, session.*",
        ),
        ({"session.": "1"}, "plain has no option 'session.'"),
        ({"arena": "yes"}, "plain: arena must be one of on, off; found 'yes'"),
        ({"streams": "0"}, "plain: streams must be a whole number from 1 to 8; found '0'"),
        ({"streams": "9"}, "found '9'"),
        ({"streams": "1.5"}, "found '1.5'"),
        ({"streams": "-1"}, "found '-1'"),
        ({"streams": "٣"}, "found '٣'"),
        ({"arena": "on", "session.arena": "off"}, "plain: arena is set twice, to on and to off"),
    ],
)
def test_what_is_not_declared_is_refused(given, message):
    with pytest.raises(OptionRefusedError) as refused:
        settled_options("plain", DECLARED, given)
    assert message in str(refused.value)


def test_a_runtime_without_options_says_so():
    with pytest.raises(OptionRefusedError, match="plain has no options; found 'arena'"):
        configured("plain:arena=on", Plain())
    assert declared_options(Plain()) == ()
    assert values_of(Plain()) == {}
    assert is_timed(Plain(), {})


def test_a_configured_runtime_is_named_like_its_selector_and_prepares_with_its_values():
    runtime = configured("plain:streams=02,session.arena=off")
    assert runtime.name == "plain:arena=off,streams=2"
    assert runtime.prepare(None, SessionOptions(batch_size=3)) == {"arena": "off", "streams": "2"}
    assert runtime.options == DECLARED
    assert not runtime.is_timed(runtime.values)


def test_a_runtime_may_refuse_what_its_build_lacks():
    with pytest.raises(OptionRefusedError, match="this build runs no 8 streams"):
        configured("plain:streams=8")


def test_a_registered_name_is_one_whatever_it_looks_like(monkeypatch):
    monkeypatch.setattr("crossrt.runtimes.registry.registered", lambda _: {"odd:": None})
    assert selector_of("odd:").name == "odd:"
    with pytest.raises(OptionRefusedError, match="names no option"):
        selector_of("other:")


def test_another_version_than_the_installed_one_is_not_installed():
    with pytest.raises(RuntimeNotInstalledError, match=r"ort-cpu==0\.1 is not installed: ort-cpu is"):
        get_runtime("ort-cpu==0.1")
    version = get_runtime("ort-cpu").version()
    assert get_runtime(f"ort-cpu=={version}").name == f"ort-cpu=={version}"


@pytest.mark.parametrize("given", [{"arena": "x" * 3000}, {"x" * 3000: "on"}])
def test_what_is_too_long_to_be_read_is_quoted_in_part(given):
    with pytest.raises(OptionRefusedError, match=r"\[\.\.\.\]") as refused:
        settled_options("plain", DECLARED, given)
    assert len(str(refused.value)) < 400
