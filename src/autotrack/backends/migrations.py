"""The SQLite store's tables, how a new store is made, and how one of an older autotrack is brought up to date.

A new store is one SQL text. An older one is upgraded by numbered steps through ``sqlite_utils``, in one transaction and after a copy
of the file was made. Both happen under the store's write lock, and look again once they have it: many processes may come at once.

Not to be used on these tables: ``sqlite_utils``' ``transform``, which drops WITHOUT ROWID without a word.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from autotrack.errors import BackendError, SchemaTooNew

VERSION = 2
Step = Callable[[Any], None]  # is given a sqlite_utils.Database; changes tables by SQL

# How to come from the version before to the one named. A step may raise meta's min_reader and min_writer: the oldest schema version
# whose programs may still read or write the store. Columns with a default, new tables, indexes and views leave them as they are.
STEPS: dict[int, Step] = {2: lambda db: _run(db.conn, SCREENS)}

LOST_AFTER_S = 3_600  # a running run whose writer has been silent for so long is shown as lost

# A run is seen when its writer is, or when another writer recorded something of it. ``{now}`` is milliseconds since 1970.
SEEN = "max(coalesce(w.seen_ms, 0), r.seen_ms)"
IS_LOST = f"(r.status = 'running' and {SEEN} < {{now}} - {LOST_AFTER_S * 1000})"
STATUS = f"case when {IS_LOST} then 'lost' else r.status end"
ENDED = f"case when {IS_LOST} then {SEEN} else r.ended_ms end"
_NOW = "cast((julianday('now') - 2440587.5) * 86400000 as integer)"
_VALUE = """case {0}.type when 'i' then coalesce({0}.txt, cast({0}.num as integer)) when 'f' then {0}.num
    when 'b' then case {0}.num when 1 then 'true' else 'false' end else {0}.txt end"""
_TYPE = "case {0}.type when 'i' then 'int' when 'f' then 'float' when 'b' then 'bool' when 's' then 'str' when 'j' then 'json' else 'none' end"


def _iso(ms: str) -> str:
    return f"strftime('%Y-%m-%d %H:%M:%f', ({ms}) / 1000.0, 'unixepoch')"


# What came with version 2: what screens need. Sums of long series, made by who reads them (``rollups``) and droppable at any time; the
# named ways of looking at runs; and by ``born`` a store is told from another that took its place.
SCREENS = """
create table rollup(run_id integer not null, key_id integer not null, shift integer not null, bucket integer not null, count integer not null,
    odd integer not null, low real, high real, total real, last_step integer not null, last_ms integer not null, last real,
    primary key(run_id, key_id, shift, bucket)) strict, without rowid;
create table rollup_end(run_id integer not null, key_id integer not null, shift integer not null, step integer not null, points integer not null,
    primary key(run_id, key_id)) strict, without rowid;
create table saved_view(name text primary key, query text not null, saved_ms integer not null) strict, without rowid;
insert into meta(name, value) values ('born', abs(random() >> 12))"""

SCHEMA = f"""
create table meta(name text primary key, value integer not null) strict, without rowid;
insert into meta(name, value) values ('schema_version', {VERSION}), ('min_reader', 1), ('min_writer', 1), ('change', 0);

create table experiment(id integer primary key, name text not null unique) strict;
insert into experiment(name) values ('');

create table stem(experiment_id integer not null references experiment(id), stem text not null, last integer not null,
    primary key(experiment_id, stem)) strict, without rowid;

create table environment(id integer primary key, digest text not null unique, txt text not null) strict;

create table writers(id text primary key, last_record integer not null, seen_ms integer not null) strict, without rowid;

create table run(
    id integer primary key autoincrement, uid text not null unique, experiment_id integer not null references experiment(id), name text not null,
    status text not null check(status in ('running', 'finished', 'failed', 'interrupted', 'lost')), error text,
    started_ms integer not null, opened_ms integer not null, ended_ms integer, parent_uid text, kind text not null, session text not null,
    call_site text not null, host text not null, pid integer not null, user_name text not null, writer text, seen_ms integer not null,
    dropped integer not null, environment_id integer references environment(id), deleted_ms integer, change integer not null,
    notes text not null, traceback text) strict;
create index run_started on run(started_ms, uid);
create index run_experiment on run(experiment_id, started_ms, uid);
create index run_parent on run(parent_uid) where parent_uid is not null;
create index run_writer on run(writer) where status = 'running';
create index run_change on run(change);
create table purged(uid text primary key, run_id integer not null, has_points integer not null) strict, without rowid;

create table key(id integer primary key, kind text not null check(kind in ('param', 'metric', 'tag')), name text not null,
    unique(kind, name)) strict;

create table param(key_id integer not null references key(id), run_id integer not null references run(id) on delete cascade,
    type text not null check(type in ('i', 'f', 'b', 's', 'j', 'n')), num real, txt text, primary key(key_id, run_id)) strict, without rowid;
create index param_run on param(run_id, key_id);
create table param_change(id integer primary key, run_id integer not null references run(id) on delete cascade,
    key_id integer not null references key(id), type text not null, num real, txt text, time_ms integer not null) strict;
create index param_change_run on param_change(run_id);

create table tag(key_id integer not null references key(id), run_id integer not null references run(id) on delete cascade, value text not null,
    primary key(key_id, run_id)) strict, without rowid;
create index tag_run on tag(run_id, key_id);

create table summary(key_id integer not null references key(id), run_id integer not null references run(id) on delete cascade,
    type text not null check(type in ('i', 'f', 'b', 's', 'n')), num real, txt text, primary key(key_id, run_id)) strict, without rowid;
create index summary_run on summary(run_id, key_id);

create table metric_point(run_id integer not null, key_id integer not null, step integer not null, seq integer not null,
    time_ms integer not null, value real, primary key(run_id, key_id, step, seq)) strict, without rowid;
create table metric_summary(key_id integer not null, run_id integer not null, count integer not null, nonfinite integer not null,
    first_step integer not null, first real, last_step integer not null, last real, min real, max real, sum real,
    last_ms integer not null, change integer not null, recent text not null, primary key(key_id, run_id)) strict, without rowid;
create index metric_summary_run on metric_summary(run_id, key_id);
create index metric_summary_change on metric_summary(change);

create table artifact(id integer primary key, run_id integer not null references run(id) on delete cascade, name text not null,
    kind text not null, digest text not null, size integer not null, time_ms integer not null, step integer, meta text) strict;
create index artifact_run on artifact(run_id, name);
create index artifact_digest on artifact(digest);

create view runs as
    select r.uid as id, r.name, e.name as experiment, {STATUS} as status, r.error, {_iso("r.started_ms")} as started, {_iso(ENDED)} as ended,
    ({ENDED} - r.started_ms) / 1000.0 as duration_s, r.parent_uid as parent, r.kind, r.session, r.call_site, r.host, r.pid, r.user_name as user,
    {_iso(SEEN)} as seen, r.dropped, r.notes, r.traceback, v.txt as environment
    from run r join experiment e on e.id = r.experiment_id left join writers w on w.id = r.writer left join environment v on v.id = r.environment_id
    where r.deleted_ms is null;
create view params as
    select r.uid as run, r.name as run_name, k.name as key, {_VALUE.format("p")} as value, {_TYPE.format("p")} as type
    from param p join run r on r.id = p.run_id join key k on k.id = p.key_id where r.deleted_ms is null;
create view metrics as
    select r.uid as run, r.name as run_name, k.name as key, p.step, p.seq, p.time_ms / 1000.0 as time, p.value
    from metric_point p join run r on r.id = p.run_id join key k on k.id = p.key_id where r.deleted_ms is null;
create view metric_summaries as
    select r.uid as run, r.name as run_name, k.name as key, case when s.run_id is null then m.last else {_VALUE.format("s")} end as last,
    m.last_step, m.min, m.max, m.sum / nullif(m.count - m.nonfinite, 0) as mean, m.first, m.first_step, m.count, m.nonfinite
    from metric_summary m join run r on r.id = m.run_id join key k on k.id = m.key_id
    left join summary s on s.key_id = m.key_id and s.run_id = m.run_id where r.deleted_ms is null
    union all
    select r.uid, r.name, k.name, {_VALUE.format("s")}, null, null, null, null, null, null, 0, 0
    from summary s join run r on r.id = s.run_id join key k on k.id = s.key_id
    where r.deleted_ms is null and not exists (select 1 from metric_summary m where m.key_id = s.key_id and m.run_id = s.run_id);
create view tags as
    select r.uid as run, r.name as run_name, k.name as key, t.value
    from tag t join run r on r.id = t.run_id join key k on k.id = t.key_id where r.deleted_ms is null;
create view artifacts as
    select r.uid as run, r.name as run_name, a.name, a.kind, a.size, a.digest, a.step, a.time_ms / 1000.0 as time, a.meta
    from artifact a join run r on r.id = a.run_id where r.deleted_ms is null
    and a.id = (select max(b.id) from artifact b where b.run_id = a.run_id and b.name = a.name);
{SCREENS}
""".replace("{now}", _NOW)


def prepare(db: sqlite3.Connection, path: Path) -> None:
    """Make sure that the connection sees a store of our version: make it if the file is new, upgrade it if it is older.

    Raises: SchemaTooNew if it may not be written by this version; BackendError if the file holds something else;
    sqlite3.OperationalError while another process has it locked.
    """
    version = version_of(db, path)
    if version is None:
        db.execute("pragma auto_vacuum = incremental")  # before WAL, or it is ignored
        db.execute("pragma journal_mode = wal").fetchone()
        _make(db, path)
        version = version_of(db, path)
    assert version is not None
    if version < VERSION:
        _upgrade(db, path)
    _check_may(db, "write", path)


def is_readable(db: sqlite3.Connection, path: Path) -> bool:
    """Whether there is a store that can be read as it is; a new or an older one must be prepared first.   Raises: SchemaTooNew."""
    version = version_of(db, path)
    if version is None or version < VERSION:
        return False
    _check_may(db, "read", path)
    return True


def fill_in(db: sqlite3.Connection, path: Path) -> None:
    """Where an older store cannot be upgraded because it cannot be written: what it lacks, empty, for this connection alone.

    SQLite looks for a table among the temporary ones first. Source: https://www.sqlite.org/lang_naming.html
    """
    if version_of(db, path) != 1:
        return
    for statement in SCREENS.split(";\n")[:-1]:
        db.execute(statement.replace("create table", "create temp table", 1))
    told = f"select name, case name when 'schema_version' then {VERSION} else value end as value from main.meta"
    db.execute(f"create temp view meta as {told} union all select 'born', 0")


def version_of(db: sqlite3.Connection, path: Path) -> int | None:
    """The store's schema version; None if the file is empty.   Raises: BackendError if it holds something else."""
    tables = {name for (name,) in db.execute("select name from sqlite_master where type = 'table'")}
    if not tables:
        return None
    if not {"meta", "run", "metric_point"} <= tables:
        raise BackendError(f"{path} is an SQLite file, but not autotrack's: choose another place for the store")
    return int(_meta(db, "schema_version"))


def _check_may(db: sqlite3.Connection, what: str, path: Path) -> None:
    """Whether this version may ``read`` or ``write`` the store.   Raises: SchemaTooNew, which says what to do."""
    if _meta(db, "min_reader" if what == "read" else "min_writer") > VERSION:
        raise SchemaTooNew(f"{path} was made by a newer autotrack, and this one may not {what} it: upgrade it (pip install -U autotrack-ml)")


def _meta(db: sqlite3.Connection, name: str) -> int:
    return int(db.execute("select value from meta where name = ?", (name,)).fetchone()[0])


@contextmanager
def committing(db: sqlite3.Connection) -> Iterator[None]:
    """What the block does is kept, all or nothing; a transaction is open."""
    try:
        yield
        db.execute("commit")
    finally:
        if db.in_transaction:
            db.execute("rollback")


def _make(db: sqlite3.Connection, path: Path) -> None:
    db.execute("begin immediate")
    with committing(db):
        if version_of(db, path) is None:  # nobody was quicker
            _run(db, SCHEMA)


def _run(db: sqlite3.Connection, text: str) -> None:
    for statement in text.split(";\n"):
        db.execute(statement)


def _upgrade(db: sqlite3.Connection, path: Path) -> None:
    import sqlite_utils  # 0.1 to 0.4 s: only an upgrade of an older store pays

    db.execute("begin immediate")
    with committing(db):
        version = version_of(db, path)
        assert version is not None
        if version < VERSION:  # nobody was quicker
            backup = path.with_name(f"{path.name}.v{version}.bak")
            part = backup.with_name(f"{backup.name}.part")  # a copy by its name is a whole one
            copy(path, part)
            part.replace(backup)
            migrations = sqlite_utils.Migrations("autotrack")
            for number in range(version + 1, VERSION + 1):
                migrations(name=str(number))(STEPS[number])
            migrations.apply(sqlite_utils.Database(db, execute_plugins=False))  # nests in our transaction as savepoints
            db.execute("update meta set value = ? where name = 'schema_version'", (VERSION,))


def is_writable(path: Path) -> bool:
    """Whether a store that is there may be written: its file, and those that SQLite makes beside it."""
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def to_read(path: Path) -> str:
    """The address under which SQLite opens a store only to read it.

    Where nothing can be written, it cannot make the file that WAL needs, unless it may believe that nothing changes.
    """
    wal = path.with_name(f"{path.name}-wal")
    is_still = not is_writable(path) and not (wal.exists() and wal.stat().st_size)
    return f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if is_still else ''}"


def copy(path: Path, to: Path) -> None:
    """Copy a store as it was last committed, whatever is being written; what lies in its WAL is included.   Raises: sqlite3.Error, OSError."""
    source, sink = sqlite3.connect(to_read(path), uri=True), sqlite3.connect(to)
    try:
        source.backup(sink)
    finally:
        source.close()
        sink.close()
