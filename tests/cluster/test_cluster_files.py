"""The files of `cluster/`: what they say, and that the scripts start and end what they promise."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from mlflow_server import NODES, SRUN, clean_environment, processes_of, program, run, running

from abl.cli.every import app
from servers import free_port, wait_until
from tiny_sweeps import write_sweep

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "cluster"
SCRIPTS = sorted(CLUSTER.glob("*.sh"))
NODE = ["--num-cpus=1", "--object-store-memory=80000000"]
SMALL = {
    "train.network": "plain4",
    "train.epochs": 2,
    "train.last_k": 1,
    "replicates.seeds": [0, 1],
    "options.panel": ["plain4"],
    "axes": {"rule": ["original"]},
    "base": None,
}


def read(name: str) -> dict[str, Any]:
    (document,) = yaml.safe_load_all((CLUSTER / name).read_text(encoding="utf-8"))
    return document


def test_ray_up_is_a_cluster_file_that_ray_takes() -> None:
    from jsonschema import ValidationError
    from ray.autoscaler._private.util import prepare_config, validate_config

    cluster = read("ray-up.yaml")
    validate_config(prepare_config(cluster))
    with pytest.raises(ValidationError):
        validate_config(prepare_config(cluster | {"head_start_ray_command": []}))
    # asked for on every node; the token comes as a file, readable by its owner
    assert "--env RAY_AUTH_MODE=token" in cluster["docker"]["run_options"]
    assert cluster["file_mounts"]["/home/ray/.ray/auth_token"] == "~/.ray/auth_token"
    assert "chmod 600 ~/.ray/auth_token" in cluster["setup_commands"]
    gpu = cluster["available_node_types"]["gpu"]
    assert gpu["min_workers"] == gpu["max_workers"] == cluster["max_workers"]


def test_the_ray_job_keeps_its_token_in_a_secret_and_stages_off_the_head() -> None:
    job = read("kuberay-rayjob.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token", "secretName": "abl-ray-token"}
    (workers,) = cluster["workerGroupSpecs"]
    head = cluster["headGroupSpec"]
    assert head["rayStartParams"]["num-cpus"] == "0"
    containers = [each["template"]["spec"]["containers"][0] for each in (head, workers)]
    assert len({container["image"] for container in containers}) == 1, "one version of abl and Ray"
    for container in containers:
        assert container["envFrom"][0]["secretRef"]["name"] == "abl-credentials"
        assert {"name": "shared", "mountPath": "/shared"} in container["volumeMounts"]
    # the sweep runs on the head and joins the cluster there
    ports = {port["name"]: port["containerPort"] for port in containers[0]["ports"]}
    assert f"--address 127.0.0.1:{ports['gcs-server']}" in job["spec"]["entrypoint"]
    # Ray is of one version in all the files
    assert cluster["rayVersion"] in read("ray-up.yaml")["docker"]["image"]


def test_commands_in_files_and_on_the_page_have_options_that_exist() -> None:
    known = {
        option
        for parameter in typer.main.get_command(app).commands["sweep"].params
        for option in parameter.opts
    }
    shown = 0
    for path in [*CLUSTER.iterdir(), ROOT / "docs" / "cluster.md"]:
        text = re.sub(r"\\?\n\s*(?=--)", " ", path.read_text(encoding="utf-8"))
        for command in re.findall(r"abl sweep ([^\n'`]*)", text):
            shown += 1
            used = set(re.findall(r"(?<!\S)--[a-z-]+", command))
            assert used <= known, (path.name, command)
    assert shown > 5


def test_compose_opens_mlflow_alone_and_to_this_machine_alone() -> None:
    services = read("mlflow-compose.yaml")["services"]
    assert {name: each["ports"] for name, each in services.items() if "ports" in each} == {
        "mlflow": ["127.0.0.1:5000:5000"]
    }
    assert (CLUSTER / services["mlflow"]["volumes"][0].partition(":")[0]).is_file()


def test_no_file_holds_a_secret() -> None:
    for path in CLUSTER.iterdir():
        text = re.sub(r"\$\{\w+:\?\}", "$", path.read_text(encoding="utf-8"))
        given = re.findall(r"(?:PASSWORD|SECRET|TOKEN|_KEY)(?:=|: )(\S+)", text)
        passwords = re.findall(r"://[^/\s:@]+:([^@\s/]+)@", text)
        for value in [*given, *passwords]:
            named = value.startswith(("$", "...")) or value == "PASSWORD"
            assert named, f"{path.name}: {value} is written out"
        assert not re.search(r"[0-9a-f]{32}|AKIA[0-9A-Z]{16}", text), path.name


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_bash_without_warnings(script: Path) -> None:
    assert script.stat().st_mode & stat.S_IXUSR
    subprocess.run(["bash", "-n", script], check=True)
    if shutil.which("shellcheck"):
        found = subprocess.run(["shellcheck", script], capture_output=True, text=True)
        assert found.returncode == 0, found.stdout


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["mlflow-server.sh"], "MLFLOW_BACKEND_STORE_URI is not set"),
        (["slurm.sh"], "usage: sbatch cluster/slurm.sh FILE"),
        (["on-premises.sh"], "head, worker HEAD_ADDRESS, add HOST HEAD_ADDRESS or stop"),
        (["on-premises.sh", "worker", "127.0.0.2:6379"], "copy the head's file there"),
    ],
)
def test_what_is_missing_is_named(command: list[str], said: str, tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    script = ["bash", str(CLUSTER / command[0]), *command[1:]]
    ended = subprocess.run(script, env=env, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 2
    assert said in ended.stderr


def test_stop_leaves_a_process_that_only_has_the_number_of_ours(tmp_path: Path) -> None:
    with running(["sleep", "60"], tmp_path / "log", dict(os.environ)) as other:
        (tmp_path / "node").write_text(f"{other.pid}\n17\n")
        script = ["bash", str(CLUSTER / "on-premises.sh"), "stop"]
        env = os.environ | {"ABL_CLUSTER": str(tmp_path)}
        subprocess.run(script, env=env, check=True, timeout=30)
        assert other.poll() is None
    assert not (tmp_path / "node").exists()


@pytest.fixture
def short_folder() -> Iterator[Path]:
    # Ray's sockets lie below it, and the path of a socket may have 107 characters
    folder = Path(tempfile.mkdtemp(prefix="abl-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.cluster
def test_on_premises_starts_a_head_adds_a_worker_and_stops_each_alone(
    tiny_folder: Path, short_folder: Path
) -> None:
    sweep, log = write_sweep(tiny_folder, SMALL), tiny_folder / "log"
    stand_ins, head, worker = (tiny_folder / name for name in ("bin", "head", "worker"))
    # another machine is another folder of state here; ssh gives its words to a shell there
    program(stand_ins, "ssh", f'shift\nABL_CLUSTER="{worker}" exec bash -c "$*"\n')
    env = clean_environment(tiny_folder, stand_ins) | {"ABL_CLUSTER": str(head)}
    script = str(CLUSTER / "on-premises.sh")
    temp = f"--temp-dir={short_folder}"
    address = f"127.0.0.2:{free_port()}"
    inside = env | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(head / "token")}

    def alive() -> list[str]:
        command = [sys.executable, "-c", NODES.replace("ADDRESS", address)]
        assert run(command, inside, log, tiny_folder) == 0, log.read_text()
        return json.loads(log.read_text().rpartition("nodes")[2])

    def swept(env: dict[str, str], root: str) -> int:
        options = ["--address", address, "--record", "off", "--mlruns", root]
        return run(["abl", "sweep", str(sweep), *options], env, log, tiny_folder)

    try:
        options = [f"--port={address[10:]}", "--node-ip-address=127.0.0.2", temp, *NODE]
        assert run([script, "head", *options], env, log, tiny_folder) == 0, log.read_text()
        assert f"abl sweep FILE --address {address}" in log.read_text()
        options = ["--node-ip-address=127.0.0.3", temp, *NODE]
        added = run([script, "add", "second", address, *options], env, log, tiny_folder)
        assert added == 0, log.read_text()
        for state in (head, worker):
            assert stat.S_IMODE((state / "token").stat().st_mode) == 0o600
        assert (worker / "token").read_text() == (head / "token").read_text()
        assert alive() == ["127.0.0.2", "127.0.0.3"]
        # a second node in the same place is refused, and the first goes on
        assert run([script, "head"], env, log, tiny_folder) == 2

        assert swept(inside, "mlruns") == 0, log.read_text()
        assert len(list((tiny_folder / "mlruns/store/done").iterdir())) == 2
        wrong = tiny_folder / "wrong"
        wrong.write_text("another token\n")
        assert swept(inside | {"RAY_AUTH_TOKEN_PATH": str(wrong)}, "refused") == 2
        # before hours of decoding, and with nothing left
        assert not list((tiny_folder / "refused").glob("store/cache/*"))

        started = [int((state / "node").read_text().split()[0]) for state in (head, worker)]
        away = env | {"ABL_CLUSTER": str(worker)}
        assert run([script, "stop"], away, log, tiny_folder) == 0
        wait_until(lambda: not processes_of(started[1]), "the worker's end", 10)
        assert alive() == ["127.0.0.2"]
        # even what a killed `ray start` left alone is ended
        os.kill(started[0], signal.SIGKILL)
        assert run([script, "stop"], env, log, tiny_folder) == 0
        wait_until(lambda: not processes_of(started[0]), "the head's end", 10)
    finally:
        for state in (worker, head):
            run([script, "stop"], env | {"ABL_CLUSTER": str(state)}, log, tiny_folder)


@pytest.mark.cluster
def test_slurm_runs_a_sweep_on_all_nodes_and_leaves_nothing(tiny_folder: Path) -> None:
    write_sweep(tiny_folder, SMALL)
    stand_ins, log = tiny_folder / "bin", tiny_folder / "log"
    program(stand_ins, "srun", SRUN)
    program(stand_ins, "scontrol", """[ "$1 $2" = "show hostnames" ] && tr , '\\n' <<<"$3"\n""")
    program(stand_ins, "hostname", 'echo "$ADDRESS"\n')
    job = str(os.getpid())
    env = clean_environment(tiny_folder, stand_ins) | {
        "SLURM_JOB_ID": job,
        "SLURM_JOB_NODELIST": "node2,node3",
        "SLURM_CPUS_PER_TASK": "1",
        "RAY_START_OPTIONS": NODE[1],
    }
    command = ["bash", str(CLUSTER / "slurm.sh"), "tiny.yaml", "--record", "off"]
    with running(["env", "-C", str(tiny_folder), *command], log, env) as process:
        assert process.wait(240) == 0, log.read_text()
        assert processes_of(process.pid) == []
    assert "original" in log.read_text().partition("AUC, %")[2], "the table"
    assert len(list((tiny_folder / "mlruns/store/done").iterdir())) == 2
    asked = (tiny_folder / "srun.log").read_text().splitlines()
    # head and workers are started together, in any order
    starts = sorted(line for line in asked if "ray start" in line)
    # both steps found authentication on and a token that its owner alone can read
    assert [line.split()[:3] for line in starts] == [
        ["token", "600", "node2:"],
        ["token", "600", "node3:"],
    ]
    assert "--head" in starts[0]
    assert "--head" not in starts[1]
    # the token ends with the job, and so do Ray's folders
    assert not list(tiny_folder.glob(".ray-token*"))
    assert not Path(f"/tmp/abl-ray-{job}").exists()
