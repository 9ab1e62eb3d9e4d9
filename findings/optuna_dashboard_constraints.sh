#!/usr/bin/env bash
# optuna 5.0.0 with optuna-dashboard 0.21.0: constraints set by `trial.set_constraint`, which Optuna 5
# puts in the place of `constraints_func`, are not seen by the dashboard. Optuna itself knows the trial
# to be infeasible (best_trial passes over it); the API that feeds the dashboard's pages gives
# `constraints: []` for it. With `constraints_func` it gives the values.
# What abl does about it: it keeps the values as a user attribute too, which the dashboard shows.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check optuna==5.0.0 optuna-dashboard==0.21.0
"$folder/venv/bin/python" -W ignore - <<'EOF'
import io
import json

import optuna
import optuna_dashboard

optuna.logging.set_verbosity(optuna.logging.ERROR)
storage = optuna.storages.InMemoryStorage()
# infeasible at value 0 (the smaller, so the better), feasible at value 1
new = optuna.create_study(storage=storage, study_name="set_constraint")


def objective(trial):
    trial.set_constraint("limit", 5.0 if trial.number == 0 else -5.0)
    return float(trial.number)


new.optimize(objective, n_trials=2)
old_way = optuna.samplers.TPESampler(constraints_func=lambda t: (5.0 if t.number == 0 else -5.0,))
old = optuna.create_study(storage=storage, study_name="constraints_func", sampler=old_way)
old.optimize(lambda trial: float(trial.number), n_trials=2)


def asked(study_id):
    """GET /api/studies/ID of the dashboard's own WSGI application."""
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": f"/api/studies/{study_id}",
        "QUERY_STRING": "after=0",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "http",
    }
    body = b"".join(optuna_dashboard.wsgi(storage)(environ, lambda status, headers, exc_info=None: None))
    return json.loads(body)


seen = {}
for study in (new, old):
    found = asked(study._study_id)
    seen[study.study_name] = {
        "best by optuna": study.best_trial.number,
        "constraints in the dashboard": [each["constraints"] for each in found["trials"]],
    }
print(f"optuna {optuna.__version__}, optuna-dashboard {optuna_dashboard.__version__}")
print(json.dumps(seen, indent=1))
assert seen["set_constraint"] == {
    "best by optuna": 1,
    "constraints in the dashboard": [[], []],
}, "changed: the dashboard sees what set_constraint sets, or optuna judges otherwise"
assert seen["constraints_func"]["best by optuna"] == 1
assert seen["constraints_func"]["constraints in the dashboard"] == [[5.0], [-5.0]]
EOF
echo "as stated"
