#!/usr/bin/env bash
# An MLflow server for a group: runs in PostgreSQL, files in an object store.
#
#   cluster/mlflow-server.sh [OPTIONS OF mlflow server]
#   abl sweep FILE --record http://127.0.0.1:5000
#
# From the environment alone, so that neither `ps` nor a file here shows a password:
#   MLFLOW_BACKEND_STORE_URI      postgresql+psycopg://USER:PASSWORD@HOST:5432/DATABASE
#   MLFLOW_ARTIFACTS_DESTINATION  s3://BUCKET/PREFIX
#   AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY    (or a role of the machine, or ~/.aws)
#   MLFLOW_S3_ENDPOINT_URL        for object stores that are not Amazon's
#   MLFLOW_HOST, MLFLOW_PORT      where to listen: 127.0.0.1 and 5000
#
# MLflow asks nobody who they are. Other machines reach it through `ssh -L 5000:127.0.0.1:5000 HOST`
# or a proxy that asks for a password (clients: MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD).
# Who listens elsewhere says so with MLFLOW_HOST, and names the host in MLFLOW_SERVER_ALLOWED_HOSTS.
#
# Needs: pip install 'abl[postgres]' boto3
set -euo pipefail

for name in MLFLOW_BACKEND_STORE_URI MLFLOW_ARTIFACTS_DESTINATION; do
    [ -n "${!name:-}" ] || {
        echo "mlflow-server.sh: $name is not set" >&2
        exit 2
    }
done
export MLFLOW_BACKEND_STORE_URI MLFLOW_ARTIFACTS_DESTINATION
# no usage statistics; no queue of jobs, which only features that abl does not use need
export MLFLOW_DISABLE_TELEMETRY="${MLFLOW_DISABLE_TELEMETRY:-true}"
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION="${MLFLOW_SERVER_ENABLE_JOB_EXECUTION:-false}"

# --serve-artifacts: files go through the server, so that no client needs the object store's secret
exec mlflow server --serve-artifacts --workers "${MLFLOW_WORKERS:-2}" \
    --host "${MLFLOW_HOST:-127.0.0.1}" --port "${MLFLOW_PORT:-5000}" "$@"
