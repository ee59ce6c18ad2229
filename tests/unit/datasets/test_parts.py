"""Parts of a data set that share no sample."""

from __future__ import annotations

import numpy as np

from crossrt.datasets.parts import Part, cut, place_of, whole_of
from crossrt.datasets.samples import ArrayDataset, MemoryRows


def dataset(values) -> ArrayDataset:
    rows = np.asarray(values, np.float32).reshape(-1, 1)
    return ArrayDataset("given", {"x": MemoryRows(rows)}, labels=np.arange(len(rows)))


def test_every_sample_is_in_one_part_and_the_seed_draws_which():
    given = dataset(range(100))
    first, second = cut(given, 0.3, seed=0)
    assert sorted([*first, *second]) == list(range(100))
    assert len(second) == 30
    assert cut(given, 0.3, seed=0) == (first, second) != cut(given, 0.3, seed=1)


def test_equal_samples_fall_into_one_part():
    given = dataset([each % 10 for each in range(100)])
    first, second = cut(given, 0.5, seed=0)
    assert {each % 10 for each in first}.isdisjoint({each % 10 for each in second})
    assert len(first) == len(second) == 50


def test_only_so_many_samples_are_used():
    first, second = cut(dataset(range(100)), 0.5, seed=0, samples=20)
    assert sorted([*first, *second]) == list(range(20))


def test_a_part_gives_its_samples_and_labels():
    part = Part(dataset(range(10)), [7, 2, 5])
    assert len(part) == 3
    assert list(part.labels) == [2, 5, 7]
    assert part.feeds([0, 2])["x"].ravel().tolist() == [2.0, 7.0]
    assert part.fingerprint != Part(dataset(range(10)), [7, 2, 6]).fingerprint


def test_a_sample_of_a_part_of_a_part_has_its_number_in_the_whole():
    given = dataset(range(10))
    part = Part(Part(given, [7, 2, 5]), [2, 0])
    assert [place_of(part, each) for each in range(2)] == [2, 7]
    assert place_of(given, 4) == 4
    assert whole_of(part) is given
