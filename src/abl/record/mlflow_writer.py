"""The record in MLflow: one run a stage, an arm, a point of a search, and one for the sweep.

Each run is looked up by its tag `abl.key` before it is created and tagged `abl.complete` at its
end, so that an incomplete one is completed and nothing is recorded twice. Everything here can be
deleted and written again from the store.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
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
    experiment_named,
    finish_run,
    is_complete,
    preferred,
    runs_tagged,
    stage_points,
    whole_tags,
    write_files,
)
from abl.record.mlflow_whole import (
    STAGE_RUNS,
    Tally,
    files_tag,
    lost_files,
    lost_tags,
    other_stage,
    run_to_write,
    sizes_said,
    stay_lost,
)
from abl.scratch import scratch_folder

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

STAGES = "abl stages"
ANSWER = "answer.md"  # what was asked and what came out
REPLICATES, STAGES_JSON = "replicates.parquet", "stages.json"
_LOOKUPS = 50  # more keys than these are found faster by reading all runs


class MlflowRecord(RecordPlace):
    """Writes the record. Every method raises RecordError if MLflow cannot be used."""

    def recorded(self, keys: Sequence[str]) -> dict[str, str]:
        """Stage digest -> run id, of those stages whose run is complete."""
        return {key: run.info.run_id for key, run in self.recorded_runs(keys).items()}

    def recorded_runs(self, keys: Sequence[str]) -> dict[str, Run]:
        """Stage digest -> run, of those stages whose run is complete."""
        wanted = sorted(set(keys))
        with self.client() as client:
            experiment = self._experiment(client, STAGES)
            if len(wanted) <= _LOOKUPS:
                found = [run for key in wanted for run in runs_tagged(client, experiment, key=key)]
            else:
                found = list(runs_tagged(client, experiment, complete="true"))
        complete = {run.data.tags["abl.key"]: run for run in found if is_complete(run)}
        return {key: complete[key] for key in wanted if key in complete}

    def lost_files(self, asked: Sequence[tuple[Run, Iterable[str]]]) -> list[tuple[str, ...]]:
        """Of each run the names of files that are missing or cut short, of those given."""
        with self.client() as client:
            return lost_files(client, asked)

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
        again: bool = False,
    ) -> str:
        """Id of the run of a finished stage, written unless it is complete already.

        Args:
            key: Digest of the stage.
            params: Settings, flattened.
            history: One row an epoch: `epoch`, numeric columns; `seconds` sets the time axis.
            predictions: Parquet file, kept as `predictions.parquet`.
            again: Write it in any case: something of it was lost.
        """
        settings = rows.param_values(params)
        with self.client() as client:
            experiment = self._experiment(client, STAGES)
            run = preferred(runs_tagged(client, experiment, key=key))
            if run is not None and is_complete(run) and not again:
                return run.info.run_id
            points, took_ms = stage_points(history, metrics)
            if run is not None and other_stage(client, run, settings, points):
                client.delete_run(run.info.run_id)
                run = None
            if run is None:
                run = client.create_run(
                    experiment,
                    start_time=_now_ms() - took_ms,
                    tags={"abl.key": key, "abl.kind": kind},
                    run_name=name,
                )
            files = {} if predictions is None else {PREDICTIONS: predictions}
            tags = files_tag(write_files(client, run, files=files)) if files else {}
            finish_run(client, run, params=settings, points=points, tags=tags, end_ms=took_ms)
            if again and stay_lost(client, run, settings, points):
                client.delete_run(run.info.run_id)
                return self.record_stage(
                    key, name=name, kind=kind, params=params, history=history, metrics=metrics,
                    predictions=predictions,
                )  # fmt: skip
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
        tally: Tally | None = None,
        arm_names: Mapping[str, str] | None = None,
    ) -> str:
        """Id of the run of a sweep, after it, its arms and points are written where they differ.

        Args:
            artifacts: Name in the run (may hold folders) -> file: figures, the report.
            rendered: Name in the run -> text: the answer, and the table in its formats.
            stage_runs: Stage digest -> run id, as record_stage and recorded give them.
            searches: Points of its searches, each a run nested under that of the sweep.
            tally: Counts. Given, what is there is compared with what should be, and what was lost
                of it is written again.
            arm_names: Key of an arm -> what its run is called; default: by its values.
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
            contents = rows.arm_contents(outcome)
            for row, arm in enumerate(outcome.arms):
                there = known.get(arm.key, [])
                name = (arm_names or {}).get(arm.key) or rows.arm_name(arm)
                self._record_arm(
                    client, sweep, there, outcome, row, contents[row], links, tally, name
                )
            if searches:
                record_points(client, sweep, known, outcome, searches, tally)
            state = rows.view_state(outcome)
            tag = f"mlflow.sharedViewState.{rows.shared_view_key(state)}"
            client.set_experiment_tag(experiment, tag, state)
            content = rows.outcome_content(outcome, rendered or {}, contents)
            texts = {
                "sweep.yaml": sweep_file,
                "environment.json": _json(environment or {}),
                "facts.json": _json(outcome.facts.flat()),
                STAGES_JSON: _json({arm.key: links.of(arm) for arm in outcome.arms}),
                **(rendered or {}),
            }
            with scratch_folder("abl-record-") as folder:
                files = {REPLICATES: folder / REPLICATES, **(artifacts or {})}
                note = rows.sweep_note(outcome, (rendered or {}).get(ANSWER, ""))
                client.set_experiment_tag(experiment, rows.NOTE, note)
                tags = rows.sweep_tags(outcome, files) | {rows.NOTE: note}
                names = [*texts, *files]
                if is_complete(sweep) and sweep.data.tags.get("abl.content") == content:
                    if tally is None:
                        return sweep.info.run_id
                    names = [*lost_files(client, [(sweep, names)])[0]]
                    lost = len(names) or int(lost_tags(sweep, tags))
                    # it links to the runs of stages, which may be others now
                    names += [STAGES_JSON] if tally.written + tally.restored else []
                    if not (names or lost):
                        return sweep.info.run_id
                    tally.restored += lost
                elif tally is not None:
                    tally.written += 1
                rows.replicates_frame(outcome).to_parquet(files[REPLICATES], index=False)
                files = {name: file for name, file in files.items() if name in names}
                texts = {name: text for name, text in texts.items() if name in names}
                sizes = sizes_said(sweep) | write_files(client, sweep, files=files, texts=texts)
            tags |= {"abl.content": content, **files_tag(sizes)}
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
        content: str,
        links: StageLinks,
        tally: Tally | None,
        name: str,
    ) -> None:
        arm = outcome.arms[row]
        run = preferred(run for run in known if run.data.tags.get("abl.content") == content)
        # params cannot change and metrics only grow: an arm with other numbers is another run
        for stale in known:
            if run is None or stale.info.run_id != run.info.run_id:
                client.delete_run(stale.info.run_id)
        tags = rows.arm_tags(arm, outcome.key, content) | {
            STAGE_RUNS: links.run_ids(arm),
            rows.NOTE: links.markdown(arm),
        }
        params, points = rows.param_values(arm.params), rows.arm_points(outcome, arm)
        run, is_whole = run_to_write(client, run, params, points, tags, tally)
        if run is not None and run.info.run_name != name:  # labels change no number
            client.update_run(run.info.run_id, name=name)
        if is_whole:
            return
        unset: Mapping[str, str] | None = tags
        if run is None:
            run = client.create_run(
                sweep.info.experiment_id,
                # MLflow lists runs newest first: falling start times keep the table's order
                start_time=sweep.info.start_time - 1 - row,
                tags=whole_tags(tags),
                run_name=name,
            )
            unset = None
        status = "FAILED" if arm.failed else "FINISHED"
        finish_run(client, run, params=params, points=points, tags=unset, status=status, end_ms=0)
        if tally is not None and stay_lost(client, run, params, points):
            client.delete_run(run.info.run_id)
            self._record_arm(client, sweep, [], outcome, row, content, links, None, name)

    def _experiment(self, client: MlflowClient, name: str) -> str:
        return experiment_named(client, name, self.artifact_root)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, default=str)
