"""What MLflow holds, by the tags that tell one thing from another."""

from __future__ import annotations

from collections.abc import Iterator

from mlflow.entities import Run

from abl.record.mlflow_writer import MlflowRecord


def all_runs(record: MlflowRecord) -> Iterator[Run]:
    """Every run that is not deleted."""
    with record.client() as client:
        experiments = [each.experiment_id for each in client.search_experiments()]
        yield from client.search_runs(experiments, max_results=1000)


def all_keys(record: MlflowRecord) -> list[str]:
    """The key of each run: of a stage, of an arm in its sweep, of a sweep."""
    tags = [run.data.tags for run in all_runs(record)]
    return [f"{each.get('abl.sweep_key', '')} {each['abl.key']}" for each in tags]


def incomplete_runs(record: MlflowRecord) -> list[str]:
    """Names of runs that were not written to their end."""
    return [
        str(run.info.run_name)
        for run in all_runs(record)
        if run.data.tags.get("abl.complete") != "true" or run.info.status == "RUNNING"
    ]
