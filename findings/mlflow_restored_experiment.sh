#!/usr/bin/env bash
# Runs that were deleted one by one come back with an experiment that is taken out of the trash, so that
# what was written anew in between is there twice (MLflow 3.17.2).
# What abl does about it: it deletes doubles then (record/mlflow_runs.py).
# Run from anywhere; it installs what it needs in a temporary folder.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check mlflow==3.17.2
MLFLOW_DISABLE_TELEMETRY=true env/bin/python - <<'EOF'
import logging

from mlflow import MlflowClient

logging.getLogger("alembic").setLevel(logging.ERROR)
client = MlflowClient("sqlite:///mlflow.db")
experiment = client.create_experiment("e")
old = client.create_run(experiment).info.run_id
client.delete_run(old)
new = client.create_run(experiment).info.run_id
client.delete_experiment(experiment)
client.restore_experiment(experiment)
active = {run.info.run_id for run in client.search_runs([experiment])}
assert active == {old, new}, "a run that was deleted before the experiment stays deleted now"
print("a run deleted before its experiment is active again")
EOF
