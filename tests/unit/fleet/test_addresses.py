"""What is an address of a Ray head, found out before Ray is asked."""

from __future__ import annotations

import importlib.util

import pytest

from crossrt.fleet.errors import FleetError
from crossrt.fleet.running.ray_cluster import check_address


@pytest.fixture(autouse=True)
def ray(monkeypatch):
    """Ray need not be installed."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)


@pytest.mark.parametrize(
    "address", ["http://x:1", "::1", ":6379", "host", "host:0", "[::1]", "a b:1", "host:\N{SUPERSCRIPT TWO}"]
)
def test_what_is_not_an_address_is_said_to_be_none(address):
    with pytest.raises(FleetError, match="is not the address of a Ray head: expected HOST:PORT"):
        check_address(address)


@pytest.mark.parametrize("address", ["[::1]:1", "ray://127.0.0.1:1", "localhost:1"])
def test_an_address_at_which_nothing_listens_is_said_not_to_answer(address):
    with pytest.raises(FleetError, match="no Ray head answers at"):
        check_address(address)
