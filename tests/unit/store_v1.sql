BEGIN TRANSACTION;
CREATE TABLE artifact(id integer primary key, run_id integer not null references run(id) on delete cascade, name text not null,
    kind text not null, digest text not null, size integer not null, time_ms integer not null, step integer, meta text) strict;
CREATE TABLE environment(id integer primary key, digest text not null unique, txt text not null) strict;
CREATE TABLE experiment(id integer primary key, name text not null unique) strict;
INSERT INTO "experiment" VALUES(1,'');
INSERT INTO "experiment" VALUES(2,'digits');
INSERT INTO "experiment" VALUES(3,'digits/deep');
CREATE TABLE key(id integer primary key, kind text not null check(kind in ('param', 'metric', 'tag')), name text not null,
    unique(kind, name)) strict;
INSERT INTO "key" VALUES(1,'param','lr');
INSERT INTO "key" VALUES(2,'param','depth');
INSERT INTO "key" VALUES(3,'param','opt');
INSERT INTO "key" VALUES(4,'param','flag');
INSERT INTO "key" VALUES(5,'param','seed');
INSERT INTO "key" VALUES(6,'param','a key');
INSERT INTO "key" VALUES(7,'param','null');
INSERT INTO "key" VALUES(8,'param','layers');
INSERT INTO "key" VALUES(9,'param','quote');
INSERT INTO "key" VALUES(10,'tag','team');
INSERT INTO "key" VALUES(11,'tag','fold');
INSERT INTO "key" VALUES(12,'tag','empty');
INSERT INTO "key" VALUES(13,'metric','val/acc');
INSERT INTO "key" VALUES(14,'metric','verdict');
INSERT INTO "key" VALUES(15,'metric','stopped');
INSERT INTO "key" VALUES(16,'metric','nothing');
INSERT INTO "key" VALUES(17,'metric','loss');
INSERT INTO "key" VALUES(18,'metric','a.min');
CREATE TABLE meta(name text primary key, value integer not null) strict, without rowid;
INSERT INTO "meta" VALUES('change',2);
INSERT INTO "meta" VALUES('min_reader',1);
INSERT INTO "meta" VALUES('min_writer',1);
INSERT INTO "meta" VALUES('schema_version',1);
CREATE TABLE metric_point(run_id integer not null, key_id integer not null, step integer not null, seq integer not null,
    time_ms integer not null, value real, primary key(run_id, key_id, step, seq)) strict, without rowid;
INSERT INTO "metric_point" VALUES(1,13,0,0,1767225600000,0.5);
INSERT INTO "metric_point" VALUES(1,13,1,0,1767225601000,0.7);
INSERT INTO "metric_point" VALUES(1,13,2,0,1767225602000,0.9);
INSERT INTO "metric_point" VALUES(1,17,0,0,1767225600000,3.0);
INSERT INTO "metric_point" VALUES(1,17,1,0,1767225601000,1.0);
INSERT INTO "metric_point" VALUES(1,17,2,0,1767225602000,2.0);
INSERT INTO "metric_point" VALUES(2,13,0,0,1767225600000,0.95);
INSERT INTO "metric_point" VALUES(2,13,1,0,1767225601000,0.6);
INSERT INTO "metric_point" VALUES(3,13,0,0,1767225600000,0.8);
INSERT INTO "metric_point" VALUES(3,13,1,0,1767225601000,NULL);
INSERT INTO "metric_point" VALUES(4,13,0,0,1767225600000,0.1);
INSERT INTO "metric_point" VALUES(4,18,0,0,1767225600000,5.0);
INSERT INTO "metric_point" VALUES(5,13,0,0,1767225600000,9.0e999);
CREATE TABLE metric_summary(key_id integer not null, run_id integer not null, count integer not null, nonfinite integer not null,
    first_step integer not null, first real, last_step integer not null, last real, min real, max real, sum real,
    last_ms integer not null, change integer not null, recent text not null, primary key(key_id, run_id)) strict, without rowid;
INSERT INTO "metric_summary" VALUES(13,1,3,0,0,0.5,2,0.9,0.5,0.9,2.1,1767225602000,1,'1:0');
INSERT INTO "metric_summary" VALUES(13,2,2,0,0,0.95,1,0.6,0.6,0.95,1.54999999999999982236e+00,1767225601000,1,'1:0');
INSERT INTO "metric_summary" VALUES(13,3,2,1,0,0.8,1,NULL,0.8,0.8,0.8,1767225601000,1,'1:0');
INSERT INTO "metric_summary" VALUES(13,4,1,0,0,0.1,0,0.1,0.1,0.1,0.1,1767225600000,1,'1:0');
INSERT INTO "metric_summary" VALUES(13,5,1,1,0,9.0e999,0,9.0e999,NULL,NULL,0.0,1767225600000,1,'1:0');
INSERT INTO "metric_summary" VALUES(17,1,3,0,0,3.0,2,2.0,1.0,3.0,6.0,1767225602000,1,'1:0');
INSERT INTO "metric_summary" VALUES(18,4,1,0,0,5.0,0,5.0,5.0,5.0,5.0,1767225600000,1,'1:0');
CREATE TABLE param(key_id integer not null references key(id), run_id integer not null references run(id) on delete cascade,
    type text not null check(type in ('i', 'f', 'b', 's', 'j', 'n')), num real, txt text, primary key(key_id, run_id)) strict, without rowid;
INSERT INTO "param" VALUES(1,1,'f',0.1,NULL);
INSERT INTO "param" VALUES(1,2,'s',NULL,'0.1');
INSERT INTO "param" VALUES(1,3,'f',0.01,NULL);
INSERT INTO "param" VALUES(1,5,'f',NULL,NULL);
INSERT INTO "param" VALUES(1,7,'f',0.1,NULL);
INSERT INTO "param" VALUES(2,1,'i',3.0,NULL);
INSERT INTO "param" VALUES(2,2,'f',5.0,NULL);
INSERT INTO "param" VALUES(2,3,'n',NULL,NULL);
INSERT INTO "param" VALUES(2,5,'i',2.0,NULL);
INSERT INTO "param" VALUES(3,1,'s',NULL,'adam');
INSERT INTO "param" VALUES(3,2,'s',NULL,'SGD');
INSERT INTO "param" VALUES(3,5,'s',NULL,'Ädam_x');
INSERT INTO "param" VALUES(4,1,'b',1.0,NULL);
INSERT INTO "param" VALUES(4,2,'b',0.0,NULL);
INSERT INTO "param" VALUES(5,1,'i',1.15292150460684697597e+18,'1152921504606846977');
INSERT INTO "param" VALUES(5,2,'i',1.15292150460684697597e+18,'1152921504606846976');
INSERT INTO "param" VALUES(6,1,'i',1.0,NULL);
INSERT INTO "param" VALUES(7,1,'n',NULL,NULL);
INSERT INTO "param" VALUES(8,3,'j',NULL,'[64, 64]');
INSERT INTO "param" VALUES(9,5,'s',NULL,'it''s');
CREATE TABLE param_change(id integer primary key, run_id integer not null references run(id) on delete cascade,
    key_id integer not null references key(id), type text not null, num real, txt text, time_ms integer not null) strict;
CREATE TABLE purged(uid text primary key, run_id integer not null, has_points integer not null) strict, without rowid;
CREATE TABLE run(
    id integer primary key autoincrement, uid text not null unique, experiment_id integer not null references experiment(id), name text not null,
    status text not null check(status in ('running', 'finished', 'failed', 'interrupted', 'lost')), error text,
    started_ms integer not null, opened_ms integer not null, ended_ms integer, parent_uid text, kind text not null, session text not null,
    call_site text not null, host text not null, pid integer not null, user_name text not null, writer text, seen_ms integer not null,
    dropped integer not null, environment_id integer references environment(id), deleted_ms integer, change integer not null,
    notes text not null, traceback text) strict;
INSERT INTO "run" VALUES(1,'a',2,'alpha','finished',NULL,1767225600000,1767225600000,1767225660000,NULL,'sklearn','s1','train.py:3:main','node1',0,'ann','writer',1767225600000,0,NULL,NULL,1,'the first try',NULL);
INSERT INTO "run" VALUES(2,'b',2,'Beta','failed','ValueError: no',1767312000000,1767312000000,1767319200000,NULL,'xgboost','s1','train.py:9:main','node2',0,'','writer',1767225600000,0,NULL,NULL,1,'',NULL);
INSERT INTO "run" VALUES(3,'c',3,'50% of gamma','interrupted',NULL,1767398400000,1767398400000,1767398401000,NULL,'','','','',0,'','writer',1767225600000,0,NULL,NULL,1,'',NULL);
INSERT INTO "run" VALUES(4,'d',2,'delta','finished',NULL,1767484800000,1767484800000,1767484805000,'a','','','','',0,'','writer',1767225600000,0,NULL,NULL,1,'',NULL);
INSERT INTO "run" VALUES(5,'e',2,'épsilon','lost',NULL,1767571200000,1767571200000,1767571205000,NULL,'','','','',0,'','writer',1767225600000,0,NULL,NULL,1,'',NULL);
INSERT INTO "run" VALUES(6,'f',2,'zeta','running',NULL,1767657600000,1767657600000,NULL,NULL,'','','','',0,'','writer',1767225600000,0,NULL,NULL,1,'',NULL);
INSERT INTO "run" VALUES(7,'g',2,'gone','running',NULL,1767744000000,1767744000000,NULL,NULL,'','','','',0,'','writer',1767225600000,0,NULL,1767225600000,2,'',NULL);
CREATE TABLE stem(experiment_id integer not null references experiment(id), stem text not null, last integer not null,
    primary key(experiment_id, stem)) strict, without rowid;
CREATE TABLE summary(key_id integer not null references key(id), run_id integer not null references run(id) on delete cascade,
    type text not null check(type in ('i', 'f', 'b', 's', 'n')), num real, txt text, primary key(key_id, run_id)) strict, without rowid;
INSERT INTO "summary" VALUES(13,4,'f',0.99,NULL);
INSERT INTO "summary" VALUES(14,4,'s',NULL,'good');
INSERT INTO "summary" VALUES(15,4,'b',1.0,NULL);
INSERT INTO "summary" VALUES(16,4,'n',NULL,NULL);
CREATE TABLE tag(key_id integer not null references key(id), run_id integer not null references run(id) on delete cascade, value text not null,
    primary key(key_id, run_id)) strict, without rowid;
INSERT INTO "tag" VALUES(10,1,'nlp');
INSERT INTO "tag" VALUES(10,2,'vision');
INSERT INTO "tag" VALUES(10,4,'NLP');
INSERT INTO "tag" VALUES(11,1,'1');
INSERT INTO "tag" VALUES(11,2,'2');
INSERT INTO "tag" VALUES(12,1,'');
CREATE TABLE writers(id text primary key, last_record integer not null, seen_ms integer not null) strict, without rowid;
INSERT INTO "writers" VALUES('writer',35,1767225600000);
CREATE INDEX run_started on run(started_ms, uid);
CREATE INDEX run_experiment on run(experiment_id, started_ms, uid);
CREATE INDEX run_parent on run(parent_uid) where parent_uid is not null;
CREATE INDEX run_writer on run(writer) where status = 'running';
CREATE INDEX run_change on run(change);
CREATE INDEX param_run on param(run_id, key_id);
CREATE INDEX param_change_run on param_change(run_id);
CREATE INDEX tag_run on tag(run_id, key_id);
CREATE INDEX summary_run on summary(run_id, key_id);
CREATE INDEX metric_summary_run on metric_summary(run_id, key_id);
CREATE INDEX metric_summary_change on metric_summary(change);
CREATE INDEX artifact_run on artifact(run_id, name);
CREATE INDEX artifact_digest on artifact(digest);
CREATE VIEW runs as
    select r.uid as id, r.name, e.name as experiment, case when (r.status = 'running' and max(coalesce(w.seen_ms, 0), r.seen_ms) < cast((julianday('now') - 2440587.5) * 86400000 as integer) - 3600000) then 'lost' else r.status end as status, r.error, strftime('%Y-%m-%d %H:%M:%f', (r.started_ms) / 1000.0, 'unixepoch') as started, strftime('%Y-%m-%d %H:%M:%f', (case when (r.status = 'running' and max(coalesce(w.seen_ms, 0), r.seen_ms) < cast((julianday('now') - 2440587.5) * 86400000 as integer) - 3600000) then max(coalesce(w.seen_ms, 0), r.seen_ms) else r.ended_ms end) / 1000.0, 'unixepoch') as ended,
    (case when (r.status = 'running' and max(coalesce(w.seen_ms, 0), r.seen_ms) < cast((julianday('now') - 2440587.5) * 86400000 as integer) - 3600000) then max(coalesce(w.seen_ms, 0), r.seen_ms) else r.ended_ms end - r.started_ms) / 1000.0 as duration_s, r.parent_uid as parent, r.kind, r.session, r.call_site, r.host, r.pid, r.user_name as user,
    strftime('%Y-%m-%d %H:%M:%f', (max(coalesce(w.seen_ms, 0), r.seen_ms)) / 1000.0, 'unixepoch') as seen, r.dropped, r.notes, r.traceback, v.txt as environment
    from run r join experiment e on e.id = r.experiment_id left join writers w on w.id = r.writer left join environment v on v.id = r.environment_id
    where r.deleted_ms is null;
CREATE VIEW params as
    select r.uid as run, r.name as run_name, k.name as key, case p.type when 'i' then coalesce(p.txt, cast(p.num as integer)) when 'f' then p.num
    when 'b' then case p.num when 1 then 'true' else 'false' end else p.txt end as value, case p.type when 'i' then 'int' when 'f' then 'float' when 'b' then 'bool' when 's' then 'str' when 'j' then 'json' else 'none' end as type
    from param p join run r on r.id = p.run_id join key k on k.id = p.key_id where r.deleted_ms is null;
CREATE VIEW metrics as
    select r.uid as run, r.name as run_name, k.name as key, p.step, p.seq, p.time_ms / 1000.0 as time, p.value
    from metric_point p join run r on r.id = p.run_id join key k on k.id = p.key_id where r.deleted_ms is null;
CREATE VIEW metric_summaries as
    select r.uid as run, r.name as run_name, k.name as key, case when s.run_id is null then m.last else case s.type when 'i' then coalesce(s.txt, cast(s.num as integer)) when 'f' then s.num
    when 'b' then case s.num when 1 then 'true' else 'false' end else s.txt end end as last,
    m.last_step, m.min, m.max, m.sum / nullif(m.count - m.nonfinite, 0) as mean, m.first, m.first_step, m.count, m.nonfinite
    from metric_summary m join run r on r.id = m.run_id join key k on k.id = m.key_id
    left join summary s on s.key_id = m.key_id and s.run_id = m.run_id where r.deleted_ms is null
    union all
    select r.uid, r.name, k.name, case s.type when 'i' then coalesce(s.txt, cast(s.num as integer)) when 'f' then s.num
    when 'b' then case s.num when 1 then 'true' else 'false' end else s.txt end, null, null, null, null, null, null, 0, 0
    from summary s join run r on r.id = s.run_id join key k on k.id = s.key_id
    where r.deleted_ms is null and not exists (select 1 from metric_summary m where m.key_id = s.key_id and m.run_id = s.run_id);
CREATE VIEW tags as
    select r.uid as run, r.name as run_name, k.name as key, t.value
    from tag t join run r on r.id = t.run_id join key k on k.id = t.key_id where r.deleted_ms is null;
CREATE VIEW artifacts as
    select r.uid as run, r.name as run_name, a.name, a.kind, a.size, a.digest, a.step, a.time_ms / 1000.0 as time, a.meta
    from artifact a join run r on r.id = a.run_id where r.deleted_ms is null
    and a.id = (select max(b.id) from artifact b where b.run_id = a.run_id and b.name = a.name);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('run',7);
COMMIT;
