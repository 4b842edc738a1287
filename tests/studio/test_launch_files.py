"""The files for Slurm and Kubernetes that `studio files` writes: what is in them is right, and no secret is."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from support.daemon import Daemon, environment
from support.nodes import free_port, opened
from support.program import vaporbrush
from vaporbrush_daemon.cli.studio import write_files
from vaporbrush_daemon.config import KEYS
from vaporbrush_daemon.studio import members

yaml = pytest.importorskip("yaml")  # Dask needs it


def written(home: Path, out: Path, *arguments: str) -> dict[str, str]:
    done = vaporbrush("studio", "files", *arguments, "--out", out, env=environment(home))
    assert done.returncode == 0, done.stderr
    return {path.name: path.read_text() for path in sorted(out.iterdir())}


def test_slurms_scripts_can_be_run_by_bash_and_ask_for_what_was_chosen(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = written(
        home, out, "slurm", "--nodes", "3", "--partition", "a100", "--memory", "32G", "--time", "1-00:00:00"
    )
    assert list(found) == ["invite.sh", "nodes.sbatch"]
    for name in found:
        assert subprocess.run(["bash", "-n", out / name], capture_output=True, check=False).stderr == b""
    lines = found["nodes.sbatch"].splitlines()
    assert lines[0] == "#!/bin/bash"
    for wanted in ("--array=1-3", "--gres=gpu:1", "--partition=a100", "--mem=32G", "--time=1-00:00:00"):
        assert f"#SBATCH {wanted}" in lines
    assert not any("@" in line for line in lines[1:] if not line.startswith("#SBATCH --signal"))


def test_slurms_nodes_are_let_in_by_the_script_and_each_has_a_key_of_its_own(home: Path, tmp_path: Path) -> None:
    Daemon(home)
    opened(home, free_port())
    found = written(home, tmp_path / "out", "slurm", "--nodes", "2")
    assert found
    shared = tmp_path / "shared"
    shared.mkdir()
    surroundings = {**environment(home), "HOME": str(shared)}
    done = subprocess.run(
        ["bash", tmp_path / "out" / "invite.sh"], env=surroundings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    studio = members.read(home)
    assert studio is not None
    assert [one.name for one in studio.nodes] == ["slurm-1", "slurm-2"]
    keys = {(shared / "vaporbrush-nodes" / task / "node" / "key.pem").read_text() for task in "12"}
    assert len(keys) == 2


def test_dask_jobqueue_gets_a_script_that_names_files_and_holds_no_key(home: Path, tmp_path: Path) -> None:
    found = written(home, tmp_path / "out", "slurm", "--certificates", "/home/anna/dask", "--scheduler", "login1")
    text = found["jobqueue.py"]
    ast.parse(text)
    for wanted in (
        "require_encryption=True",
        '"/home/anna/dask"',
        '"host": "login1"',
        "vaporbrush_daemon.studio.preload",
    ):
        assert wanted in text
    assert importlib.util.find_spec("vaporbrush_daemon.studio.preload") is not None


def test_kubernetes_gets_deployments_that_name_a_secret_and_demand_gpus(home: Path, tmp_path: Path) -> None:
    text = written(home, tmp_path / "out", "kubernetes", "--nodes", "5", "--namespace", "art", "--secret", "pki")
    documents: list[dict[str, Any]] = list(yaml.safe_load_all(text["studio.yaml"]))
    kinds = {(one["kind"], one["metadata"]["name"]): one for one in documents}
    assert all(one["apiVersion"] and one["metadata"]["namespace"] == "art" for one in documents)
    assert "Secret" not in {kind for kind, _ in kinds}
    scheduler, nodes = (kinds["Deployment", f"vaporbrush-{name}"]["spec"] for name in ("scheduler", "nodes"))
    assert (scheduler["replicas"], nodes["replicas"]) == (1, 5)
    for one in (scheduler, nodes):
        template = one["template"]
        assert one["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
        pod, (container,) = template["spec"], template["spec"]["containers"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        assert volumes["tls"]["secret"] == {"secretName": "pki", "defaultMode": 0o440}
        assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
    (node,) = nodes["template"]["spec"]["containers"]
    assert node["resources"]["limits"]["nvidia.com/gpu"] == 1
    settings = {one["name"]: one["value"] for one in node["env"]}
    assert {name.removeprefix("VAPORBRUSH_").lower() for name in settings} - {"home"} <= set(KEYS)
    service = kinds["Service", "vaporbrush-scheduler"]["spec"]
    assert service["selector"].items() <= scheduler["template"]["metadata"]["labels"].items()
    assert settings["VAPORBRUSH_STUDIO_SCHEDULER"] == f"tls://vaporbrush-scheduler:{service['ports'][0]['port']}"
    (policy,) = (one for (kind, _), one in kinds.items() if kind == "NetworkPolicy")
    assert policy["spec"]["policyTypes"] == ["Ingress"]


def test_nodes_get_the_weights_that_were_named_and_else_none(home: Path, tmp_path: Path) -> None:
    named, out = "/shared/annas models/vgg19.safetensors", tmp_path / "out"
    found = written(home, out, "slurm", "--weights", named, "--certificates", "/home/anna/dask")
    script = found["nodes.sbatch"].replace("#!/bin/bash", "exec() { echo $VAPORBRUSH_WEIGHTS; }")
    surroundings = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "SLURM_ARRAY_TASK_ID": "1"}
    done = subprocess.run(["bash", "-c", script], env=surroundings, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == named
    ast.parse(found["jobqueue.py"])
    assert f"""job_script_prologue=["export VAPORBRUSH_WEIGHTS='{named}'"]""" in found["jobqueue.py"]
    pods = written(home, tmp_path / "pods", "kubernetes", "--weights", named)["studio.yaml"]
    assert {"name": "VAPORBRUSH_WEIGHTS", "value": named} in settings_of_pods(pods)
    assert "VAPORBRUSH_WEIGHTS" not in str(written(home, tmp_path / "bare", "slurm", "--certificates", "/home/anna"))
    bare = written(home, tmp_path / "bare-pods", "kubernetes")["studio.yaml"]
    assert "VAPORBRUSH_WEIGHTS" not in {one["name"] for one in settings_of_pods(bare)}


def settings_of_pods(text: str) -> list[dict[str, str]]:
    documents = {one["metadata"]["name"]: one for one in yaml.safe_load_all(text) if one["kind"] == "Deployment"}
    (node,) = documents["vaporbrush-nodes"]["spec"]["template"]["spec"]["containers"]
    found: list[dict[str, str]] = node["env"]
    return found


@pytest.mark.parametrize("kind", ["slurm", "kubernetes"])
def test_no_secret_is_in_any_file(home: Path, tmp_path: Path, kind: str) -> None:
    Daemon(home)
    opened(home, free_port())
    found = written(home, tmp_path / "out", kind, "--certificates", str(home / "studio"))
    keys = [path.read_text() for path in (home / "studio").glob("*key*")]
    assert keys
    for text in found.values():
        assert "PRIVATE KEY" not in text
        assert not any(key.splitlines()[1] in text for key in keys)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--nodes", "0"),
        ("--nodes", "97"),
        ("--partition", "gpu; rm -rf /"),
        ("--memory", "lots"),
        ("--time", "forever"),
        ("--certificates", "relative"),
        ("--certificates", '/x"\n'),
        ("--image", "x y"),
        ("--namespace", "Art"),
        ("--secret", "$(id)"),
        ("--weights", "vgg19.safetensors"),
        ("--weights", "/shared/$(id)"),
        ("--scheduler", "a b"),
    ],
)
def test_what_could_not_stand_in_such_a_file_is_refused(home: Path, tmp_path: Path, option: str, value: str) -> None:
    done = vaporbrush("studio", "files", "slurm", "--out", tmp_path / "out", option, value, env=environment(home))
    assert done.returncode == 2
    assert f"{option} is" in done.stderr
    assert not (tmp_path / "out").exists()


def test_this_machines_name_counts_only_where_it_is_written_down(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAPORBRUSH_HOME", str(home))
    monkeypatch.setattr("socket.gethostname", lambda: "my_host")

    def done(*arguments: str) -> str:
        outcome = CliRunner().invoke(write_files, [*arguments, "--out", str(tmp_path / "out")])
        return str(outcome.exception or outcome.output)

    assert "studio.yaml" in done("kubernetes")
    assert "nodes.sbatch" in done("slurm")
    assert "--scheduler is 'my_host'" in done("slurm", "--certificates", "/home/anna/dask")
    assert "jobqueue.py" in done("slurm", "--certificates", "/home/anna/dask", "--scheduler", "login1")


def test_a_pods_home_in_an_empty_volume_is_good_enough_for_a_node(home: Path, tmp_path: Path) -> None:
    """A volume like Kubernetes' emptyDir with an fsGroup is open to a group; the home in it is the node's own."""
    volume = tmp_path / "volume"
    volume.mkdir()
    volume.chmod(0o2777)
    done = subprocess.run(
        [sys.executable, "-m", "vaporbrush_daemon", "studio", "join"],
        env={**os.environ, "VAPORBRUSH_HOME": str(volume / "home"),
            "VAPORBRUSH_STUDIO_SCHEDULER": f"tls://127.0.0.1:{free_port()}", "VAPORBRUSH_STUDIO_CA": "/nowhere/ca.crt",
            "VAPORBRUSH_STUDIO_CERTIFICATE": "/nowhere/tls.crt", "VAPORBRUSH_STUDIO_KEY": "/nowhere/tls.key"
        },
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "`studio_ca` is /nowhere/ca.crt" in " ".join(done.stderr.split()), "the settings count, and the home is made"
    assert (volume / "home").stat().st_mode & 0o077 == 0
