"""CSV and Parquet: columns as features, and what is not a number."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from crossrt.core.errors import DataError
from crossrt.core.tensor import TensorSpec
from crossrt.datasets.opening import DataRequest, open_dataset

ONE = (TensorSpec(name="x", dtype="float32", shape=("batch", 2)),)


def opened(path, inputs=None, **options):
    return open_dataset(DataRequest(reference=str(path), **options), inputs)


@pytest.fixture
def table(tmp_path):
    def write(text, name="t.csv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_columns_are_features_and_a_label_column_is_labels(table):
    data = opened(table("a,target,b\n1,0,2.5\n3,1,4\n\n"), ONE)
    assert list(data.inputs) == ["x"]
    assert data.feeds([0, 1])["x"].dtype == np.float32
    assert data.feeds([0, 1])["x"].tolist() == [[1, 2.5], [3, 4]]
    assert (data.labels.dtype, data.labels.tolist()) == (np.int64, [0, 1])


def test_without_a_model_features_are_float32(table):
    data = opened(table("a,b\n1,2\n"))
    assert (list(data.inputs), data.inputs["features"].dtype) == (["features"], "float32")
    assert data.labels is None


def test_columns_with_the_names_of_inputs_are_arrays_of_their_own(table):
    inputs = (
        TensorSpec(name="age", dtype="int64", shape=("N", 1)),
        TensorSpec(name="height", dtype="float32", shape=("N",)),
    )
    feeds = opened(table("height,age\n1.5,30\n1.75,40\n"), inputs).feeds([1, 0])
    assert (feeds["age"].dtype, feeds["age"].tolist()) == (np.int64, [[40], [30]])
    assert feeds["height"].tolist() == [1.75, 1.5]


def test_many_rows_are_read_in_chunks(table):
    rows = "".join(f"{number},{number % 7}\n" for number in range(10_000))
    data = opened(table("a,label\n" + rows))
    assert len(data) == 10_000
    assert data.feeds([9_999, 4_096])["features"].ravel().tolist() == [9_999, 4_096]
    assert data.labels[9_999] == 9_999 % 7


def test_float_labels_stay_floats(table):
    assert opened(table("a,label\n1,0\n2,0.5\n")).labels.tolist() == [0.0, 0.5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; expected a line that names the columns"),
        ("a,b\n", "holds no samples"),
        ("1,2\n3,4\n", "starts with numbers"),
        ("a;b\n1;2\n", "seems to be separated by semicolons"),
        ("a,b\n1,2\n3\n", "line 3: 1 cells; expected 2"),
        ("a,b\n1,cat\n", "column 'b' holds the text 'cat'; expected numbers"),
        ("a,b\n1,\n", "column 'b' holds an empty cell"),
        ("a,a\n1,2\n", "two columns of one name: a"),
        ("a,label,target\n1,2,3\n", "several columns of labels (label, target)"),
        ("label\n1\n", "no columns other than labels"),
        ("a,label\n1,cat\n1,2\n", "column 'label' holds the text 'cat'; expected numbers"),
    ],
)
def test_what_is_not_a_table_of_numbers_is_refused(table, text, message):
    with pytest.raises(DataError) as caught:
        opened(table(text))
    assert message in str(caught.value)


def test_fractions_are_not_cut_off_for_integer_inputs(table):
    inputs = (TensorSpec(name="ids", dtype="int32", shape=("N", 2)),)
    with pytest.raises(DataError, match=r"column 'b' holds 2.5, which is not int32"):
        opened(table("a,b\n1,2.5\n"), inputs)


def test_bytes_that_are_not_text_are_refused(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"a,b\n\xff\xfe,2\n")
    with pytest.raises(DataError, match="cannot be read as CSV in UTF-8"):
        opened(tmp_path / "t.csv")


@pytest.fixture
def parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    def write(**columns):
        path = tmp_path / "t.parquet"
        parquet.write_table(pyarrow.table(columns), path)
        return path

    return write


def test_parquet_columns_are_features_and_labels(parquet):
    data = opened(parquet(a=[1.0, 2.0], b=[3, 4], labels=[1, 0]), ONE)
    assert data.feeds([0, 1])["x"].tolist() == [[1, 3], [2, 4]]
    assert data.labels.tolist() == [1, 0]


def test_parquet_lists_are_arrays_of_their_own(parquet):
    data = opened(parquet(embedding=[[1.0, 2.0], [3.0, 4.0]], label=[1, 0]), ONE)
    assert data.feeds([1])["embedding"].tolist() == [[3, 4]]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [1, None]}, "column 'a' has 1 missing value"),
        ({"a": [[1.0], [2.0, 3.0]]}, "differ in length"),
        ({"a": [[1.0], [2.0, 3.0, 4.0]]}, "differ in length"),
        ({"a": ["x", "y"]}, "column 'a'"),
        ({"a": []}, "holds no samples"),
    ],
)
def test_what_does_not_fit_in_parquet_is_refused(parquet, columns, message):
    with pytest.raises(DataError) as caught:
        opened(parquet(**columns))
    assert message in str(caught.value)


def test_a_damaged_parquet_file_is_refused(parquet):
    path = parquet(a=[1.0, 2.0])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        opened(path)


def test_missing_pyarrow_says_how_to_install_it(tmp_path, monkeypatch):
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r"install pyarrow$"):
        opened(tmp_path / "t.parquet")
