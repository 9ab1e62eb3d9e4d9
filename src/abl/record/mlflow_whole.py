"""What a run in MLflow should hold against what is there.

Numbers come with the runs as they are looked for, a thousand a request. Files are listed once a
run: in the folder where they lie, or by the server.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from abl.kept_files import json_kept
from abl.record.mlflow_arms import Point
from abl.record.mlflow_runs import TAG_LENGTH, is_complete

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

STAGE_RUNS = "abl.stages"  # tag of an arm: ids of the runs of its stages
LIVE = "abl.live"  # tag of a stage's run that was begun while it ran: name of the sweep
FILES = "abl.files"  # tag: name -> bytes of what was put into the run, as JSON
_AT_ONCE = 8  # requests to a server
_PARQUET, _PARQUET_END = ".parquet", b"PAR1"


@dataclass
class Tally:
    """What was done about the runs of a sweep.

    Attributes:
        written: Runs that were not there, or not to their end.
        restored: Runs of which numbers were lost, and files that were lost or cut short.
    """

    written: int = 0
    restored: int = 0


def files_tag(sizes: Mapping[str, int]) -> dict[str, str]:
    """The tag that says which files a run was given; none where it would be too long."""
    text = json.dumps(dict(sorted(sizes.items())), ensure_ascii=False)
    return {FILES: text} if len(text) <= TAG_LENGTH else {}


def lost_numbers(run: Run, params: Mapping[str, str], points: Iterable[Point]) -> bool:
    """Whether params or metrics are missing in a run: it can be completed."""
    has = run.data
    return not (params.keys() <= has.params.keys() and _last(points).keys() <= has.metrics.keys())


def stay_lost(
    client: MlflowClient, run: Run, params: Mapping[str, str], points: Iterable[Point]
) -> bool:
    """Whether params or metrics are missing though they were just written.

    MLflow keeps a point once: where it has the point, and its table of last values has lost it, the
    point can be written as often as one likes.
    """
    return lost_numbers(client.get_run(run.info.run_id), params, points)


def other_numbers(run: Run, params: Mapping[str, str], points: Iterable[Point]) -> bool:
    """Whether params or metrics of a run are others: neither can be taken back in MLflow."""
    params_are, metrics_are = run.data.params, run.data.metrics
    return any(params_are.get(key, value) != value for key, value in params.items()) or any(
        metrics_are.get(key, value) != value for key, value in _last(points).items()
    )


def other_stage(
    client: MlflowClient, run: Run, params: Mapping[str, str], points: Sequence[Point]
) -> bool:
    """As `other_numbers`, of a stage's run; one that was begun while it ran may lack the end."""
    if LIVE not in run.data.tags or is_complete(run):
        return other_numbers(run, params, points)
    return other_numbers(run, params, ()) or strayed(client, run, points)


def strayed(client: MlflowClient, run: Run, points: Iterable[Point]) -> bool:
    """Whether a run has points, at their steps and times, that are not among those given."""
    right, start = set(points), run.info.start_time
    return any(
        (key, each.step, each.value, each.timestamp - start) not in right
        for key in run.data.metrics
        for each in client.get_metric_history(run.info.run_id, key)
    )


def lost_tags(run: Run, tags: Mapping[str, str]) -> bool:
    """Whether tags are missing, or links to runs. What people write into a tag is theirs."""
    there = run.data.tags
    linked = set(tags.get(STAGE_RUNS, "").split()) - set(there.get(STAGE_RUNS, "").split())
    return bool(linked) or any(value and name not in there for name, value in tags.items())


def run_to_write(
    client: MlflowClient,
    run: Run | None,
    params: Mapping[str, str],
    points: Sequence[Point],
    tags: Mapping[str, str],
    tally: Tally | None,
) -> tuple[Run | None, bool]:
    """The run to write to, None for a new one, and whether there is nothing to write.

    One with other numbers than it should have is deleted.
    """
    if run is not None and is_complete(run):
        if tally is None:
            return run, True
        other = other_numbers(run, params, points)
        if not (other or lost_numbers(run, params, points) or lost_tags(run, tags)):
            return run, True
        tally.restored += 1
        if other:
            client.delete_run(run.info.run_id)
        return (None if other else run), False
    if tally is not None:
        tally.written += 1
    return run, False


def _last(points: Iterable[Point]) -> dict[str, float]:
    """Metric -> its value at its last step, which MLflow shows with a run."""
    last: dict[str, tuple[int, float]] = {}
    for key, step, value, _ in points:
        if key not in last or step >= last[key][0]:
            last[key] = (step, value)
    return {key: value for key, (_, value) in last.items()}


def lost_files(
    client: MlflowClient, asked: Sequence[tuple[Run, Iterable[str]]]
) -> list[tuple[str, ...]]:
    """Of each run the names of files that are missing or cut short, of those that it should hold.

    Args:
        asked: Runs, with names of files below their folder.
    """

    def lost(pair: tuple[Run, Iterable[str]]) -> tuple[str, ...]:
        run, names = pair
        wanted = sorted(names)
        if not wanted:
            return ()
        folder = _folder_of(run)
        there = _listed(folder) if folder else _listed_by_server(client, run, wanted)
        said = sizes_said(run)
        return tuple(name for name in wanted if not _is_whole(name, there, said, folder))

    if all(_folder_of(run) for run, _ in asked):
        return list(map(lost, asked))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lost, asked))


def _is_whole(
    name: str, there: Mapping[str, int], said: Mapping[str, int], folder: Path | None
) -> bool:
    if name not in there:
        return False
    if name in said:
        return there[name] == said[name]
    # of a version that did not note sizes: what can be told of it
    if folder is None or not name.endswith(_PARQUET):
        return there[name] > 0
    with (folder / name).open("rb") as file:
        file.seek(max(0, there[name] - len(_PARQUET_END)))
        return file.read() == _PARQUET_END


def sizes_said(run: Run) -> dict[str, int]:
    """Name -> bytes of the files that a run was given, as its tag says."""
    try:
        return {str(name): int(size) for name, size in json_kept(run.data.tags[FILES]).items()}
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError):
        return {}


def _folder_of(run: Run) -> Path | None:
    """Where the files of a run lie, None if that is no folder of this machine."""
    uri = str(run.info.artifact_uri)
    scheme = urlsplit(uri).scheme
    if scheme not in ("", "file"):
        return None
    return Path(url2pathname(urlsplit(uri).path)) if scheme else Path(uri)


def _listed(folder: Path) -> dict[str, int]:
    """Name -> bytes of every file below a folder; nothing if it has gone."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file()
    }


def _listed_by_server(client: MlflowClient, run: Run, names: Sequence[str]) -> dict[str, int]:
    """Name -> bytes of what lies in the folders of these names: a request a folder."""
    folders = {name.rpartition("/")[0] for name in names}
    found = (client.list_artifacts(run.info.run_id, each or None) for each in sorted(folders))
    return {
        file.path: int(file.file_size or 0) for each in found for file in each if not file.is_dir
    }
