"""How runtimes are named: `NAME[==VERSION][:OPTIONS]`."""

import pytest

from crossrt.runtimes.errors import OptionRefusedError
from crossrt.runtimes.selector import RuntimeSelector, parse_selector


@pytest.mark.parametrize(
    ("text", "name", "version", "options"),
    [
        ("tflite", "tflite", None, {}),
        ("ort-cpu==1.29.0", "ort-cpu", "1.29.0", {}),
        ("openvino:num_streams=1", "openvino", None, {"num_streams": "1"}),
        ("ort-cpu==1.30.0rc1:b=2,a=x;y", "ort-cpu", "1.30.0rc1", {"a": "x;y", "b": "2"}),
        (
            "ort-cpu:session.intra_op_thread_affinities=1,a=b=c",
            "ort-cpu",
            None,
            {"a": "b=c", "session.intra_op_thread_affinities": "1"},
        ),
    ],
)
def test_a_selector_has_a_name_a_version_and_options(text, name, version, options):
    found = parse_selector(text)
    assert (found.name, found.version, found.options) == (name, version, options)


@pytest.mark.parametrize("text", ["tflite", "ort-cpu==1.29.0", "a:b=c", "ort-cpu==1.30.0:a=x,session.b=2"])
def test_the_text_of_a_selector_is_parsed_to_the_same(text):
    assert parse_selector(text).text == text
    assert parse_selector(parse_selector(text).text) == parse_selector(text)


def test_the_order_of_options_makes_no_difference():
    assert parse_selector("x:b=2,a=1") == parse_selector("x:a=1,b=2")
    assert parse_selector("x==1:b=2,a=1").text == "x==1:a=1,b=2"
    assert parse_selector("x==1:b=2").base == "x==1"


def test_an_option_that_is_given_twice_alike_counts_once():
    assert parse_selector("x:a=1,a=1") == RuntimeSelector(name="x", options={"a": "1"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no runtime: write NAME"),
        (":a=1", "names no runtime"),
        ("==1.0", "names no runtime"),
        ("x==", "names no version: write x==VERSION"),
        ("x==1.0 beta", "names no version"),
        ("x:", "names no option: write x, or x:OPTION=VALUE"),
        ("x:a", "'a' is not an option: write OPTION=VALUE"),
        ("x:a=1,", "'' is not an option"),
        ("x:=1", "'=1' is not an option"),
        ("x:a=", "a has no value"),
        ("x:a=/tmp/file", "a has the value '/tmp/file': write letters, digits"),
        ("x:a=1,a=2", "sets a twice, to 1 and to 2"),
    ],
)
def test_what_is_not_written_like_a_selector_is_refused(text, message):
    with pytest.raises(OptionRefusedError) as refused:
        parse_selector(text)
    assert message in str(refused.value)


@pytest.mark.parametrize("text", ["a:{}", "a:b={}\u00e9", "{}==", "{}:", "a:b=1,b={}"])
def test_what_is_too_long_to_be_read_is_quoted_in_part(text):
    with pytest.raises(OptionRefusedError, match=r"\[\.\.\.\]") as refused:
        parse_selector(text.format("x" * 3000))
    assert len(str(refused.value)) < 500
