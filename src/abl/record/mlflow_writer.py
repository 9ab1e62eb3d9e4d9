"""The record in MLflow: one run a stage, an arm, a point of a search, and one for the sweep.

Each run is looked up by its tag `abl.key` before it is created and tagged `abl.complete` at its
end, so that an incomplete one is completed and nothing is recorded twice. Everything here can be
deleted and written again from the store.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from abl.plan.outcome import Outcome, Searches
from abl.plan.stage import PREDICTIONS
from abl.record import mlflow_arms as rows
from abl.record.mlflow_client import RecordPlace
from abl.record.mlflow_points import record_points
from abl.record.mlflow_runs import (
    TRAINING_VIEW,
    StageLinks,
    finish_run,
    is_complete,
    preferred,
    runs_tagged,
    stage_points,
    write_files,
)
from abl.scratch import scratch_folder

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

STAGES = "abl stages"
_LOOKUPS = 50  # more keys than these are found faster by reading all runs


class MlflowRecord(RecordPlace):
    """Writes the record. Every method raises RecordError if MLflow cannot be used."""

    def recorded(self, keys: Sequence[str]) -> dict[str, str]:
        """Stage digest -> run id, of those stages whose run is complete."""
        wanted = sorted(set(keys))
        with self.client() as client:
            experiment = self._experiment(client, STAGES)
            if len(wanted) <= _LOOKUPS:
                found = [run for key in wanted for run in runs_tagged(client, experiment, key=key)]
            else:
                found = list(runs_tagged(client, experiment, complete="true"))
        complete = {run.data.tags["abl.key"]: run for run in found if is_complete(run)}
        return {key: complete[key].info.run_id for key in wanted if key in complete}

    def record_stage(
        self,
        key: str,
        *,
        name: str,
        kind: str,
        params: Mapping[str, Any],
        history: pd.DataFrame | None = None,
        metrics: Mapping[str, float] | None = None,
        predictions: Path | None = None,
    ) -> str:
        """Id of the run of a finished stage, written unless it is complete already.

        Args:
            key: Digest of the stage.
            params: Settings, flattened.
            history: One row an epoch: `epoch`, numeric columns; `seconds` sets the time axis.
            predictions: Parquet file, kept as `predictions.parquet`.
        """
        with self.client() as client:
            experiment = self._experiment(client, STAGES)
            run = preferred(runs_tagged(client, experiment, key=key))
            if run is not None and is_complete(run):
                return run.info.run_id
            points, took_ms = stage_points(history, metrics)
            if run is None:
                run = client.create_run(
                    experiment,
                    start_time=_now_ms() - took_ms,
                    tags={"abl.key": key, "abl.kind": kind},
                    run_name=name,
                )
            if predictions is not None:
                write_files(client, run, files={PREDICTIONS: predictions})
            finish_run(client, run, params=rows.param_values(params), points=points, end_ms=took_ms)
            return run.info.run_id

    def record_outcome(
        self,
        outcome: Outcome,
        *,
        sweep_file: str,
        artifacts: Mapping[str, Path] | None = None,
        rendered: Mapping[str, str] | None = None,
        environment: Mapping[str, Any] | None = None,
        stage_runs: Mapping[str, str] | None = None,
        searches: Searches | None = None,
    ) -> str:
        """Id of the run of a sweep, after it, its arms and points are written where they differ.

        Args:
            artifacts: Name in the run (may hold folders) -> file: figures, the report.
            rendered: Name in the run -> text: the table in its formats.
            stage_runs: Stage digest -> run id, as record_stage and recorded give them.
            searches: Points of its searches, each a run nested under that of the sweep.
        """
        with self.client() as client:
            experiment = self._experiment(client, outcome.name)
            known: dict[str, list[Run]] = {}
            for run in runs_tagged(client, experiment, sweep_key=outcome.key):
                known.setdefault(run.data.tags["abl.key"], []).append(run)
            sweep = preferred(known.get(outcome.key, []))
            if sweep is None:
                sweep = client.create_run(
                    experiment,
                    start_time=_now_ms(),
                    tags=rows.sweep_tags(outcome),
                    run_name=outcome.name,
                )
            links = StageLinks(self._experiment(client, STAGES), stage_runs or {})
            for row, arm in enumerate(outcome.arms):
                self._record_arm(client, sweep, known.get(arm.key, []), outcome, row, links)
            if searches:
                record_points(client, sweep, known, outcome, searches)
            state = rows.view_state(outcome)
            tag = f"mlflow.sharedViewState.{rows.shared_view_key(state)}"
            client.set_experiment_tag(experiment, tag, state)
            content = rows.outcome_content(outcome, rendered or {})
            if is_complete(sweep) and sweep.data.tags.get("abl.content") == content:
                return sweep.info.run_id
            texts = {
                "table.json": rows.table_json(outcome),
                "sweep.yaml": sweep_file,
                "environment.json": _json(environment or {}),
                "facts.json": _json(outcome.facts.flat()),
                "stages.json": _json({arm.key: links.of(arm) for arm in outcome.arms}),
                **(rendered or {}),
            }
            with scratch_folder("abl-record-") as folder:
                replicates = folder / "replicates.parquet"
                rows.replicates_frame(outcome).to_parquet(replicates, index=False)
                files = {"replicates.parquet": replicates, **(artifacts or {})}
                write_files(client, sweep, files=files, texts=texts)
            tags = {"abl.content": content, rows.NOTE: rows.sweep_note(outcome)}
            finish_run(client, sweep, params={}, points=[], tags=tags)
            return sweep.info.run_id

    def address(self, outcome: Outcome, base_url: str) -> str:
        """Where the runs page reads as the ablation table, once the outcome is recorded."""
        with self.client() as client:
            experiment = self._experiment(client, outcome.name)
        key = rows.shared_view_key(rows.view_state(outcome))
        page = f"{base_url.rstrip('/')}/#/experiments/{experiment}/runs"
        return f"{page}?{TRAINING_VIEW}&viewStateShareKey={key}"

    def _record_arm(
        self,
        client: MlflowClient,
        sweep: Run,
        known: Sequence[Run],
        outcome: Outcome,
        row: int,
        links: StageLinks,
    ) -> None:
        arm = outcome.arms[row]
        content = rows.arm_content(arm, rows.external_metrics(outcome, arm))
        run = preferred(run for run in known if run.data.tags.get("abl.content") == content)
        # params cannot change and metrics only grow: an arm with other numbers is another run
        for stale in known:
            if run is None or stale.info.run_id != run.info.run_id:
                client.delete_run(stale.info.run_id)
        if run is not None and is_complete(run):
            return
        if run is None:
            run = client.create_run(
                sweep.info.experiment_id,
                # MLflow lists runs newest first: falling start times keep the table's order
                start_time=sweep.info.start_time - 1 - row,
                tags=rows.arm_tags(arm, outcome.key, content)
                | {"abl.stages": links.run_ids(arm), rows.NOTE: links.markdown(arm)},
                run_name=rows.arm_name(arm),
            )
        finish_run(
            client,
            run,
            params=rows.param_values(arm.params),
            points=rows.arm_points(outcome, arm),
            status="FAILED" if arm.failed else "FINISHED",
            end_ms=0,
        )

    def _experiment(self, client: MlflowClient, name: str) -> str:
        """Id of the experiment, made or taken out of the trash if need be."""
        from mlflow.exceptions import MlflowException

        found = client.get_experiment_by_name(name)
        if found is None:
            root = self.artifact_root
            location = (
                None if root is None else f"{root.rstrip('/')}/{rows.shared_view_key(name)[:12]}"
            )
            try:
                return client.create_experiment(name, artifact_location=location)
            except MlflowException:
                found = client.get_experiment_by_name(name)
                if found is None:  # not made by another driver meanwhile
                    raise
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
        return found.experiment_id


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, default=str)
