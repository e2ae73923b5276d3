"""The runs of ``page_store`` in the stores of Trackio, MLflow and TensorBoard, by their own API; long histories as their code lays them down.

    python benchmarks/peer_stores.py FOLDER trackio|mlflow|tensorboard runs 1000 40           RUNS POINTS
    python benchmarks/peer_stores.py FOLDER trackio|mlflow|tensorboard curves 100 100000
"""

from __future__ import annotations

import os
import random
import sqlite3
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import page_store


@dataclass(frozen=True)
class Told:
    """A run, as every tracker can be told of it. ``columns``: the values of each metric at ``steps`` and ``times`` (UTC seconds)."""

    name: str
    began: float
    params: dict[str, object]
    steps: np.ndarray
    times: np.ndarray
    columns: dict[str, list[float]]
    ended: float
    failed: bool


def runs(count: int, points: int) -> Iterator[Told]:
    chance, now = random.Random(7), time.time()
    for i in range(count):
        started, params, _, logged, _, ended = page_store.run_of(i, count, points, "vision/imagenet", now, chance)
        columns = dict(zip(logged.keys, logged.columns, strict=True))
        steps, times = np.array(logged.steps), np.array(logged.times)
        yield Told(started.name, started.time, params.values, steps, times, columns, ended.time, ended.status == "failed")


def curves(count: int, points: int) -> Iterator[Told]:
    began, steps = time.time() - 86_400, np.arange(points)
    for i in range(count):
        columns = {"train/loss": page_store.curve(i, points).tolist()}
        params = {"lr": 10 ** -(1 + i % 5)}
        yield Told(f"long-{i + 1}", began, params, steps, began + steps * 0.05, columns, began + points * 0.05, False)


def trackio(folder: Path, told: Iterator[Told]) -> None:
    os.environ["TRACKIO_DIR"] = str(folder)
    from trackio.sqlite_storage import SQLiteStorage

    for run in told:
        rows = [dict(zip(run.columns, values, strict=True)) for values in zip(*run.columns.values(), strict=True)]
        times = [datetime.fromtimestamp(at, timezone.utc).isoformat() for at in run.times]
        config = {**run.params, "_Username": "ada", "_Created": times[0]}  # as trackio.init adds them
        for start in range(0, len(rows), 100_000):
            part = slice(start, start + 100_000)
            SQLiteStorage.bulk_log("bench", run.name, rows[part], run.steps[part].tolist(), times[part], config)


def mlflow(folder: Path, told: Iterator[Told]) -> None:
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.create_experiment("bench", artifact_location=str(folder / "artifacts"))
    for run in told:
        ms = (run.times * 1000).astype(int).tolist()
        uid = client.create_run(experiment, int(run.began * 1000), run_name=run.name).info.run_id
        client.log_batch(uid, params=[Param(key, str(value)) for key, value in run.params.items()])
        if len(run.steps) * len(run.columns) <= 1000:
            points = ((key, point) for key, values in run.columns.items() for point in zip(values, ms, run.steps.tolist(), strict=True))
            client.log_batch(uid, metrics=[Metric(key, *point) for key, point in points])
        else:  # a thousand points are the most that it takes at once, some 50 ms each time: the last by the API, the others as its code has them
            key, values = next(iter(run.columns.items()))
            client.log_batch(uid, metrics=[Metric(key, values[-1], ms[-1], int(run.steps[-1]))])
            with closing(sqlite3.connect(folder / "mlflow.db")) as db, db:
                db.execute("pragma cache_size = -3000000")  # its primary key begins with key and time: the runs' points lie among each other
                text = "insert into metrics(key, value, timestamp, run_uuid, step, is_nan) values (?, ?, ?, ?, ?, 0)"
                db.executemany(text, ((key, value, at, uid, step) for value, at, step in zip(values[:-1], ms, run.steps.tolist(), strict=False)))
        client.set_terminated(uid, "FAILED" if run.failed else "FINISHED", int(run.ended * 1000))


def tensorboard(folder: Path, told: Iterator[Told]) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import metadata, plugin_data_pb2, summary_v2
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    for n, run in enumerate(told):
        writer = EventFileWriter(str(folder / run.name))  # the version of the file, then what the tab HPARAMS shows
        if not n:
            metrics = [summary_v2.Metric(key) for key in run.columns]
            domains = [summary_v2.HParam(key) for key in run.params]
            writer.add_event(Event(wall_time=run.began, summary=summary_v2.hparams_config_pb(domains, metrics)))
        writer.add_event(Event(wall_time=run.began, summary=summary_v2.hparams_pb(run.params, trial_id=run.name, start_time_secs=run.began)))
        ended = plugin_data_pb2.HParamsPluginData(session_end_info={"status": 2 if run.failed else 1, "end_time_secs": run.ended})
        value = Summary.Value(tag=metadata.SESSION_END_INFO_TAG, metadata=metadata.create_summary_metadata(ended))
        writer.add_event(Event(wall_time=run.ended, summary=Summary(value=[value])))
        writer.close()
        (file,) = (folder / run.name).iterdir()
        with file.open("ab") as events:
            for key, values in run.columns.items():
                for part in scalars(key, run.steps, run.times, np.array(values, "<f4")):
                    events.write(part)


def scalars(key: str, steps: np.ndarray, times: np.ndarray, values: np.ndarray) -> Iterator[bytes]:
    """Records of an event file, one a point, as SummaryWriter.add_scalar writes them; its own writer in Python takes 50 us for each."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    digits = np.searchsorted(128 ** np.arange(9), steps, side="right")  # bytes of the step; a step of 0 is not written
    for size in np.unique(digits):
        of = digits == size
        said = Event(wall_time=1.5, step=int(steps[of][0]), summary=Summary(value=[Summary.Value(tag=key, simple_value=0.5)])).SerializeToString()
        records = np.tile(np.frombuffer(struct.pack("<Q", len(said)) + bytes(4) + said + bytes(4), np.uint8), (of.sum(), 1))
        records[:, 8:12] = np.frombuffer(struct.pack("<I", masked_crc32c(struct.pack("<Q", len(said)))), np.uint8)
        event = records[:, 12:-4]
        event[:, 1:9] = times[of].astype("<f8")[:, None].view(np.uint8)
        for digit in range(size):
            event[:, 10 + digit] = (steps[of] >> 7 * digit) & 127 | (128 if digit < size - 1 else 0)
        event[:, -4:] = values[of][:, None].view(np.uint8)
        records[:, -4:] = masked(event)[:, None].view(np.uint8)
        assert records[0, -4:].tobytes() == struct.pack("<I", masked_crc32c(event[0].tobytes()))
        yield records.tobytes()


def masked(rows: np.ndarray) -> np.ndarray:
    """The checksum of each row: CRC-32C, turned as TensorFlow's record files have it."""
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import CRC_TABLE

    table, crc = np.array(CRC_TABLE, np.uint32), np.full(len(rows), 0xFFFFFFFF, np.uint32)
    for column in rows.T:
        crc = table[(crc ^ column) & 255] ^ (crc >> 8)
    crc = ~crc
    return ((crc >> 15 | crc << 17) + np.uint32(0xA282EAD8)).astype("<u4")


if __name__ == "__main__":
    place, peer, kind, count, points = sys.argv[1:]
    Path(place).mkdir(parents=True, exist_ok=True)
    told = {"runs": runs, "curves": curves}[kind](int(count), int(points))
    {"trackio": trackio, "mlflow": mlflow, "tensorboard": tensorboard}[peer](Path(place).resolve(), told)
