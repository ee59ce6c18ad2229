"""Each way in which a database can fail is one message that says what to do, and nothing is half written."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import event, func, select

from crossrt.history.store import adding, database, failures
from crossrt.history.store.address import parse_address
from crossrt.history.store.collecting import add_files
from crossrt.history.store.database import open_history
from crossrt.history.store.tables import runs
from crossrt.reports.errors import ReportError
from crossrt.reports.packages import named_packages
from crossrt.reports.schema.folders import report_files


def names(connection):
    return connection.execute(select(runs.c.name).order_by(runs.c.name)).scalars().all()


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("mysql://user:secret@host/db", "a history cannot be kept at mysql://"),
        ("postgresql://user:secret@host:many/db", "the history's postgresql URL cannot be read"),
        ("sqlite://", "'' is not the path of a file"),
        (":memory:", "':memory:' is not the path of a file"),
        ("sqlite:///x.sqlite?mode=ro", "is not the path of a file"),
        ("", "'' is not the path of a file"),
    ],
)
def test_a_place_that_is_none_is_refused(place, message):
    with pytest.raises(ReportError) as caught:
        parse_address(place)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


def test_paths_and_urls_are_understood():
    assert str(parse_address("results/history.sqlite")) == "results/history.sqlite"
    assert parse_address("sqlite:////tmp/x.sqlite").path == Path("/tmp/x.sqlite")
    assert parse_address("postgresql://host/db").url.drivername == "postgresql+psycopg"
    assert parse_address("postgres://host/db").backend == "postgresql"


def test_passwords_are_never_shown():
    address = parse_address("postgresql://user:s3cret@host/db?sslmode=require&password=an0ther")
    for text in (str(address), f"{address}", repr(address), address.without_secrets("s3cret and an0ther")):
        assert "s3cret" not in text
        assert "an0ther" not in text
    assert str(address).startswith("postgresql://user:***@host/db?")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.mkdir(), "is a folder: name a file in it"),
        (lambda path: path.write_text("no database" * 200), "is not a SQLite file"),
        (lambda _: None, "there is no history"),
        (lambda path: path.touch(), "there is no history at"),
    ],
)
def test_files_that_are_no_history_are_not_read(file_address, make, message):
    make(file_address.path)
    with pytest.raises(ReportError, match=message), open_history(file_address):
        pass


def test_a_file_of_someone_else_is_left_alone(file_address, save, make_run):
    with sqlite3.connect(file_address.path) as other:
        other.execute("CREATE TABLE songs (title TEXT)")
    other.close()
    before = file_address.path.read_bytes()
    with pytest.raises(ReportError, match="is not a history of crossrt: it holds the tables songs"):
        list(add_files(file_address, save(make_run(1))))
    assert file_address.path.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path, save, make_run):
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match="cannot be made"):
        list(add_files(parse_address(str(tmp_path / "file" / "history.sqlite")), save(make_run(1))))


def test_a_locked_file_is_waited_for_and_then_named(file_address, save, make_run, monkeypatch):
    paths = save(make_run(1), make_run(2))
    list(add_files(file_address, paths[:1]))
    monkeypatch.setattr(database, "BUSY_S", 0.2)
    other = sqlite3.connect(file_address.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(ReportError, match=r"is locked: another process .*report\.json was not added"):
            list(add_files(file_address, paths[1:]))
    finally:
        other.close()
    assert [each.outcome for each in add_files(file_address, paths[1:])] == ["added"]


def prepared(monkeypatch, statement):
    """Every connection runs a statement first."""
    original = database._engine

    def engine(address):
        made = original(address)
        event.listen(made, "connect", lambda connection, _: connection.execute(statement).close())
        return made

    monkeypatch.setattr(database, "_engine", engine)


def test_a_read_only_database_is_named(file_address, save, make_run, monkeypatch):
    paths = save(make_run(1), make_run(2))
    list(add_files(file_address, paths[:1]))
    prepared(monkeypatch, "PRAGMA query_only = 1")
    with pytest.raises(ReportError, match="cannot be written: the file or its folder is read-only"):
        list(add_files(file_address, paths[1:]))


def test_a_full_disk_leaves_the_history_as_it_was(file_address, save, make_run, monkeypatch):
    list(add_files(file_address, save(make_run(1))))
    with monkeypatch.context() as patch:
        prepared(patch, "PRAGMA max_page_count = 1")
        many = make_run(2, *(f"v{number}@ort-cpu" for number in range(40)), rounds=2)
        with pytest.raises(ReportError, match="the disk is full; free space"):
            list(add_files(file_address, save(many)))
    with open_history(file_address) as history, history.reading() as connection:
        assert names(connection) == ["run-001"]


def test_a_damaged_file_is_named(file_address, save, make_run):
    list(add_files(file_address, save(make_run(1))))
    content = bytearray(file_address.path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    file_address.path.write_bytes(content)
    with pytest.raises(ReportError, match="is damaged: put a backup in its place"):
        list(add_files(file_address, save(make_run(2))))


def test_progress_is_told_where_a_history_fails_in_the_middle(file_address, save, make_run, monkeypatch):
    original = adding._add_numbers

    def fail(connection, entry, ids):
        if entry.report.run.id == "run-002":
            raise sqlite3_full(connection)
        original(connection, entry, ids)

    def sqlite3_full(connection):
        connection.exec_driver_sql("SELECT no_such_function()")

    monkeypatch.setattr(adding, "_add_numbers", fail)
    with pytest.raises(ReportError, match=r"1 of 3 reports were added before that, .*run-002.* was not"):
        list(add_files(file_address, save(make_run(1), make_run(2), make_run(3))))


@pytest.mark.postgresql
def test_a_server_that_is_not_there_is_named(tmp_path):
    address = parse_address(f"postgresql://user:s3cret@/db?host={tmp_path}")
    with (
        pytest.raises(ReportError, match="that the server runs and can be reached") as caught,
        open_history(address),
    ):
        pass
    assert "s3cret" not in str(caught.value)


@pytest.mark.postgresql
def test_a_database_that_is_not_there_is_named(postgresql_server):
    with (
        pytest.raises(ReportError, match="check user, password and database in the URL"),
        open_history(parse_address(postgresql_server.replace("DATABASE", "none"))),
    ):
        pass


@pytest.mark.postgresql
def test_a_server_that_goes_away_in_the_middle_keeps_what_was_added_before(
    postgresql_url, postgresql_server, save, make_run, monkeypatch
):
    import psycopg

    address, paths, original = parse_address(postgresql_url), save(make_run(1), make_run(2)), adding._add_numbers

    def go_away(connection, entry, ids):
        if entry.report.run.id == "run-002":
            number = connection.execute(select(func.pg_backend_pid())).scalar_one()
            with psycopg.connect(postgresql_server.replace("DATABASE", "postgres"), autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s)", (number,))
        original(connection, entry, ids)

    with monkeypatch.context() as patch:
        patch.setattr(adding, "_add_numbers", go_away)
        with pytest.raises(ReportError, match=r"terminating connection.*1 of 2 reports were added before that"):
            list(add_files(address, paths))
    with open_history(address) as history, history.reading() as connection:
        assert names(connection) == ["run-001"]
    assert [each.outcome for each in add_files(address, paths)] == ["known", "added"]


@pytest.mark.postgresql
def test_a_table_that_stays_locked_is_named(postgresql_url, save, make_run, monkeypatch):
    import psycopg

    address, paths = parse_address(postgresql_url), save(make_run(1), make_run(2))
    list(add_files(address, paths[:1]))
    monkeypatch.setattr(database, "BUSY_S", 1)
    with psycopg.connect(postgresql_url) as other:
        other.execute("LOCK TABLE runs")
        with pytest.raises(ReportError, match="another process has kept a table"):
            list(add_files(address, paths[1:]))


@pytest.mark.parametrize(
    ("package", "wanted"),
    [
        ("sqlalchemy", "alembic ruptures sqlalchemy"),
        ("alembic.command", "alembic ruptures sqlalchemy"),
        ("psycopg", "'psycopg[binary]'"),
    ],
)
def test_a_missing_package_comes_with_its_install_command(package, wanted):
    name = package.partition(".")[0]
    with pytest.raises(ReportError) as caught, named_packages():
        raise ModuleNotFoundError("gone", name=package)
    assert str(caught.value).startswith(f"{name} is not installed: ")
    assert str(caught.value).endswith(f" install {wanted}")


def test_another_missing_module_is_a_defect():
    with pytest.raises(ModuleNotFoundError), named_packages():
        raise ModuleNotFoundError("gone", name="something_else")


def test_the_wait_is_the_one_that_is_told():
    assert f"over {failures.BUSY_S} s" in failures._SQLITE[sqlite3.SQLITE_BUSY]


@pytest.mark.parametrize(
    "place",
    [
        "postgresql://user:p@s3cret@localhost/db",
        "postgresql:/user:s3cret@localhost/db",
        "host=localhost user=user password=s3cret",
    ],
)
def test_what_looks_like_an_address_is_refused_and_not_quoted(place):
    with pytest.raises(ReportError) as caught:
        parse_address(place)
    assert "s3cret" not in str(caught.value)


def test_schemes_are_read_in_any_case():
    assert parse_address("POSTGRESQL://user@host/db").backend == "postgresql"


def test_a_folder_that_cannot_be_read_is_told(tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir()

    def walk(folder, onerror):
        onerror(PermissionError(13, "Permission denied", str(tmp_path / "closed")))
        yield from ()

    monkeypatch.setattr(os, "walk", walk)
    with pytest.raises(ReportError, match="closed cannot be read: Permission denied"):
        report_files([tmp_path])


def test_a_name_that_is_no_utf_8_does_not_stop_the_others(tmp_path, save, make_run):
    (odd,), (good,) = save(make_run(1)), save(make_run(2))
    strange = tmp_path / "b\udcffd.json"
    strange.write_bytes(odd.read_bytes())
    address = parse_address(str(tmp_path / "history.sqlite"))
    outcomes = [each.outcome for each in add_files(address, [strange, good])]
    assert outcomes == ["refused", "added"]
