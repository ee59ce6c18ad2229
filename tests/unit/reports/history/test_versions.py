"""How tables come to be, grow older and are brought up to date."""

from __future__ import annotations

import shutil

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, select, text

from crossrt.history.store import versions
from crossrt.history.store.collecting import add_files
from crossrt.history.store.database import open_history
from crossrt.history.store.tables import metadata, runs
from crossrt.reports.errors import ReportError

NEXT = '''"""One more column."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade():
    op.add_column("runs", sa.Column("note", sa.Text))
    op.execute(sa.text("UPDATE runs SET note = 'old'"))
    {then}
'''


@pytest.fixture
def newer_crossrt(tmp_path, monkeypatch):
    """A crossrt that knows one more version, whose migration may fail."""

    def make(then="pass"):
        folder = tmp_path / "migrations"
        shutil.copytree(versions.FOLDER, folder, dirs_exist_ok=True)
        (folder / "versions" / "v0003_next.py").write_text(NEXT.format(then=then))
        monkeypatch.setattr(versions, "FOLDER", folder)
        monkeypatch.setattr(versions, "KNOWN", ("0001", "0002", "0003"))

    return make


def test_every_version_is_known_in_its_order():
    config = Config()
    config.set_main_option("script_location", str(versions.FOLDER))
    script = ScriptDirectory.from_config(config)
    assert tuple(each.revision for each in script.walk_revisions())[::-1] == versions.KNOWN


def test_migrations_make_the_tables_that_the_code_uses(address, add, make_run, reading):
    add(make_run(1))

    def differences(connection):
        options = {"include_object": lambda _, name, *__: name != versions.NAME, "compare_type": True}
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    assert reading(differences) == []


def test_a_current_history_is_left_as_it_is(address, add, make_run, monkeypatch):
    add(make_run(1))
    monkeypatch.setattr(versions, "migrate", lambda _: pytest.fail("was migrated again"))
    add(make_run(2))


def test_an_older_history_is_brought_up_to_date(add, make_run, reading, newer_crossrt):
    add(make_run(1))
    newer_crossrt()
    assert reading(lambda connection: connection.execute(text("SELECT note FROM runs")).scalar()) == "old"
    assert (
        reading(lambda connection: connection.execute(text(f"SELECT version_num FROM {versions.NAME}")).scalar())
        == "0003"
    )


def test_a_migration_that_fails_changes_nothing(add, make_run, reading, newer_crossrt, monkeypatch):
    add(make_run(1))
    with monkeypatch.context() as patch:
        newer_crossrt("raise KeyboardInterrupt")
        with pytest.raises(KeyboardInterrupt):
            reading(lambda _: None)
        patch.undo()
    monkeypatch.undo()
    columns = reading(lambda connection: {column["name"] for column in inspect(connection).get_columns("runs")})
    assert "note" not in columns
    assert reading(lambda connection: connection.execute(select(runs.c.name)).scalar()) == "run-001"


def test_a_history_of_a_newer_crossrt_is_refused(address, add, save, make_run, reading):
    add(make_run(1))
    with open_history(address) as history, history.writing() as connection:
        connection.execute(text(f"UPDATE {versions.NAME} SET version_num = '0099'"))
    with pytest.raises(ReportError, match="has version 0099; this crossrt knows versions up to 0002: update crossrt"):
        reading(lambda _: None)
    with pytest.raises(ReportError, match="version 0099"):
        list(add_files(address, save(make_run(2))))


def test_tables_of_others_are_left_alone(address, save, make_run):
    with open_history(address, writes=True) as history, history.writing() as connection:
        connection.execute(text(f"DROP TABLE {versions.NAME}"))
    with pytest.raises(ReportError, match="is not a history of crossrt: it holds the tables"):
        list(add_files(address, save(make_run(1))))


def test_a_database_without_a_history_is_not_read(postgresql_url):
    from crossrt.history.store.address import parse_address

    with (
        pytest.raises(ReportError, match="yet: crossrt history add REPORT begins one"),
        open_history(parse_address(postgresql_url)),
    ):
        pass


test_a_database_without_a_history_is_not_read = pytest.mark.postgresql(test_a_database_without_a_history_is_not_read)
