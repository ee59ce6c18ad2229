from __future__ import annotations

import pytest

from crossrt.harness.errors import HarnessError
from crossrt.harness.measure.scenarios.asked import (
    KINDS,
    AskedColdStart,
    AskedMultiStream,
    AskedOffline,
    AskedServer,
    names_single_stream,
    read_scenario,
    read_scenarios,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("multi-stream", AskedMultiStream(samples=8)),
        ("multi-stream:samples=4", AskedMultiStream(samples=4)),
        ("offline:max_batch=64,growth=5%", AskedOffline(max_batch=64, growth=0.05)),
        ("server:latency=2ms", AskedServer(latency=2_000_000)),
        ("server:latency=500us,percentile=95,rate=200/s", AskedServer(latency=500_000, percentile=95, rate=200)),
        ("server:latency=1.5s", AskedServer(latency=1_500_000_000)),
        ("cold-start:cache=cold", AskedColdStart(cache="cold")),
    ],
)
def test_a_scenario_is_read_and_written_again(text, expected):
    assert read_scenario(text) == expected
    assert read_scenario(expected.text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("serve", "'serve' is not a scenario (did you mean 'server'?); available: single-stream, multi-stream,"),
        ("server", "such as server:latency=10ms"),
        (
            "server:latency=2",
            "latency is '2'; expected a time with its unit from 1ns to 10000s, such as 500us, 2ms or 1s",
        ),
        ("server:latency=0ms", "latency is '0ms'; expected a time"),
        ("server:latncy=2ms", "server has no option 'latncy' (did you mean 'latency'?)"),
        ("server:latency=2ms,percentile=100", "percentile is '100'; expected a number from 50 to 99.9"),
        ("server:latency=1ms,latency=2ms", "latency is given twice"),
        ("server:latency=1ms,rate=-2", "rate is '-2'; expected queries per second"),
        ("multi-stream:samples=0", "samples is '0'; expected a whole number of samples"),
        ("cold-start:cache=hot", "cache is 'hot'; expected warm or cold"),
        ("server:latency=1h", "latency is '1h'; expected a time with its unit from 1ns to 10000s"),
        ("server:latency=1ms,rate=99999999999/s", "expected queries per second from 0.001 to 1,000,000,000, such as"),
        ("multi-stream:samples=1000000000000", "expected a whole number of samples from 1 to 1,048,576, such as 8"),
        ("offline:max_threads=5000", "expected a whole number of threads from 1 to 4,096, such as 4"),
        ("single-stream:x=1", "single-stream takes no options"),
        ("offline:max_batch", "max_batch is ''"),
    ],
)
def test_what_makes_no_sense_is_one_clear_error(text, said):
    with pytest.raises(HarnessError) as error:
        read_scenario(text)
    assert said in str(error.value)


def test_every_kind_is_in_the_message_about_an_unknown_one():
    with pytest.raises(HarnessError) as error:
        read_scenario("x")
    assert all(kind in str(error.value) for kind in KINDS)


def test_the_same_scenario_is_measured_once_and_single_stream_is_no_other_one():
    texts = ["single-stream", "offline", "offline:max_batch=1024"]
    assert read_scenarios(texts) == (AskedOffline(),)
    assert names_single_stream(texts)
    assert names_single_stream([])
    assert not names_single_stream(["offline"])
