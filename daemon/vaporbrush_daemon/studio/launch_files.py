"""Files with which Slurm and Kubernetes start nodes. No secret is in them: keys stay in files and secrets of their own,
which are named.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from vaporbrush_daemon.texts import _
from vaporbrush_daemon.weights import VARIABLE
from vaporbrush_daemon.workers.messages import STUDIO_DEVICES
from vaporbrush_protocol.errors import RequestError

COMMAND = f"{shlex.quote(sys.executable)} -P -m vaporbrush_daemon"  # a batch job has nobody's PATH


@dataclass(frozen=True, slots=True)
class Wanted:
    """What can be chosen. Raises `RequestError` for what could not stand in such a file."""

    nodes: int = 8
    partition: str = "gpu"
    memory: str = "16G"
    time: str = "12:00:00"
    image: str = "registry.example/vaporbrush:latest"
    namespace: str = "vaporbrush"
    secret: str = "vaporbrush-studio"  # noqa: S105 -- its name
    scheduler: str = ""  # a host's name that nodes and daemon reach; for jobqueue.py
    certificates: str = ""  # the folder of ca.pem, certificate.pem and key.pem; for jobqueue.py
    weights: str = ""  # vgg19's file, as nodes see it: their homes are new and have none

    def __post_init__(self) -> None:
        if not 1 <= self.nodes <= STUDIO_DEVICES:
            sentence = _("--nodes is {nodes}, but must be 1 to {most}: more need several heads.")
            raise RequestError("bad_field", sentence.format(nodes=self.nodes, most=STUDIO_DEVICES))
        for name, (pattern, example) in PATTERNS.items():
            if not pattern.fullmatch(value := getattr(self, name)):
                sentence = _("--{option} is {value!r}, but must be like {example}.")
                raise RequestError("bad_field", sentence.format(option=name, value=value, example=example))


LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")  # what Kubernetes calls a DNS label
PATTERNS: Mapping[str, tuple[re.Pattern[str], str]] = {
    "partition": (re.compile(r"[A-Za-z0-9][A-Za-z0-9_.,-]{0,99}"), "gpu"),
    "memory": (re.compile(r"[1-9]\d{0,5}[MG]"), "16G"),
    "time": (re.compile(r"(\d{1,3}-)?\d{1,2}:\d\d:\d\d"), "12:00:00 or 2-00:00:00"),
    "image": (re.compile(r"[a-z0-9][A-Za-z0-9._/:@-]{0,199}"), "registry.example/vaporbrush:1.0"),
    "namespace": (LABEL, "vaporbrush"),
    "secret": (LABEL, "vaporbrush-studio"),
    "scheduler": (re.compile(r"([A-Za-z0-9][A-Za-z0-9.-]{0,252})?"), "login1"),
    "certificates": (re.compile(r"(/[^\x00-\x1f\"'\\]*)?"), "/home/anna/dask"),
    "weights": (re.compile(r"(/[^\x00-\x1f\"'\\$]*)?"), "/home/anna/vgg19.safetensors"),
}
DEFAULTS: Mapping[str, Any] = {one.name: one.default for one in fields(Wanted)}

INVITE = """\
#!/bin/bash
# Lets @nodes@ Slurm tasks into the studio of this machine. Run it once, here on the head; the nodes have to share HOME
# with it. Each node's key is made in its own folder and stays there.
set -euo pipefail
umask 077
for task in $(seq 1 @nodes@); do
    home="$HOME/vaporbrush-nodes/$task"
    mkdir -p "$home"
    folder=$(mktemp -d)
    VAPORBRUSH_HOME="$home" @command@ studio join --ask "$folder/request"
    (cd "$folder" && @command@ studio add "slurm-$task" request)
    VAPORBRUSH_HOME="$home" @command@ studio join --keep "$folder/slurm-$task.invitation"
    rm -r "$folder"
done
"""

SBATCH = """\
#!/bin/bash
#SBATCH --job-name=vaporbrush
#SBATCH --array=1-@nodes@
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --gres=gpu:1
#SBATCH --partition=@partition@
#SBATCH --mem=@memory@
#SBATCH --time=@time@
#SBATCH --signal=B:INT@120
#SBATCH --requeue
# @nodes@ nodes of the studio, one GPU each: `bash invite.sh` once, then `sbatch nodes.sbatch`.
# What a node was painting when its time ends is painted by another.
set -euo pipefail
export VAPORBRUSH_HOME="$HOME/vaporbrush-nodes/$SLURM_ARRAY_TASK_ID"
@given@exec @command@ studio join
"""

JOBQUEUE = '''\
"""A Dask cluster of @nodes@ nodes by dask-jobqueue (`pip install dask-jobqueue`), for a daemon with `studio_scheduler`.

Runs as long as it is to exist. Keys are files: @certificates@/key.pem is this cluster's, closed to others.
"""

import signal
import ssl

from dask_jobqueue import SLURMCluster
from distributed.security import Security

FOLDER = "@certificates@"
CERTIFICATE, KEY = f"{FOLDER}/certificate.pem", f"{FOLDER}/key.pem"

security = Security(
    require_encryption=True,
    tls_min_version=ssl.TLSVersion.TLSv1_3,
    tls_ca_file=f"{FOLDER}/ca.pem",
    tls_scheduler_cert=CERTIFICATE,
    tls_scheduler_key=KEY,
    tls_worker_cert=CERTIFICATE,
    tls_worker_key=KEY,
    tls_client_cert=CERTIFICATE,
    tls_client_key=KEY,
)


def cluster():
    """Start the scheduler, and ask Slurm for the nodes."""
    made = SLURMCluster(
        queue="@partition@",
        cores=1,
        processes=1,
        memory="@memory@iB",
        walltime="@time@",
        job_extra_directives=["--gres=gpu:1"],
@given@        nanny=False,
        protocol="tls://",
        security=security,
        shared_temp_directory=FOLDER,
        scheduler_options={
            "host": "@scheduler@",
            "port": 8786,
            "protocol": "tls://",
            "security": security,
            "dashboard_address": "127.0.0.1:0",
            "allowed_failures": 0,
        },
        worker_extra_args=[
            "--preload", "vaporbrush_daemon.studio.preload", "--dashboard-address", "127.0.0.1:0",
        ],
    )
    made.scale(jobs=@nodes@)
    return made


if __name__ == "__main__":
    with cluster() as running:
        print(f"studio_scheduler = {running.scheduler_address!r}", flush=True)
        signal.pause()
'''

KUBERNETES = """\
# A studio of @nodes@ nodes, one GPU each, for a daemon in this cluster with
#   studio_scheduler = "tls://vaporbrush-scheduler.@namespace@.svc:8786"
# The certificates are in a secret that this file only names. cert-manager makes such a one; by hand:
#   kubectl -n @namespace@ create secret generic @secret@ --from-file=ca.crt --from-file=tls.crt --from-file=tls.key
apiVersion: apps/v1
kind: Deployment
metadata: {name: vaporbrush-scheduler, namespace: @namespace@}
spec:
  replicas: 1
  strategy: {type: Recreate}
@scheduler_pod@
        - name: scheduler
          image: @image@
          command: [dask, scheduler, --protocol, tls, --port, "8786", --dashboard-address, "127.0.0.1:0", --no-show,
                    --tls-ca-file, /etc/vaporbrush/tls/ca.crt, --tls-cert, /etc/vaporbrush/tls/tls.crt,
                    --tls-key, /etc/vaporbrush/tls/tls.key]
          env:
            - {name: DASK_DISTRIBUTED__COMM__TLS__MIN_VERSION, value: "1.3"}
            - {name: DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION, value: "true"}
          ports: [{name: dask-tls, containerPort: 8786}]
          resources: {requests: {cpu: 500m, memory: 512Mi}, limits: {memory: 1Gi}}
@container@
---
apiVersion: v1
kind: Service
metadata: {name: vaporbrush-scheduler, namespace: @namespace@}
spec:
  selector: {app: vaporbrush-scheduler}
  ports: [{name: dask-tls, port: 8786, targetPort: dask-tls}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: vaporbrush-nodes, namespace: @namespace@}
spec:
  replicas: @nodes@
@node_pod@
        - name: node
          image: @image@
          command: [vaporbrush, studio, join]
          env:
            - {name: VAPORBRUSH_HOME, value: /var/lib/vaporbrush/home}
            - {name: VAPORBRUSH_STUDIO_SCHEDULER, value: "tls://vaporbrush-scheduler:8786"}
            - {name: VAPORBRUSH_STUDIO_CA, value: /etc/vaporbrush/tls/ca.crt}
            - {name: VAPORBRUSH_STUDIO_CERTIFICATE, value: /etc/vaporbrush/tls/tls.crt}
            - {name: VAPORBRUSH_STUDIO_KEY, value: /etc/vaporbrush/tls/tls.key}
@given@          resources: {requests: {cpu: "2", memory: @memory@i}, limits: {memory: @memory@i, nvidia.com/gpu: 1}}
@container@
---
# Only the studio's own pods, and whoever is labelled `vaporbrush-daemon: "true"`, reach nodes and scheduler at all.
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: vaporbrush-studio, namespace: @namespace@}
spec:
  podSelector: {matchLabels: {studio: vaporbrush}}
  policyTypes: [Ingress]
  ingress:
    - from:
        - podSelector: {matchLabels: {studio: vaporbrush}}
        - podSelector: {matchLabels: {vaporbrush-daemon: "true"}}
"""

POD = """\
  selector: {matchLabels: {app: @app@}}
  template:
    metadata: {labels: {app: @app@, studio: vaporbrush}}
    spec:
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, runAsUser: 10001, fsGroup: 10001, seccompProfile: {type: RuntimeDefault}}
      volumes:
        - {name: tls, secret: {secretName: @secret@, defaultMode: 0440}}
        - {name: home, emptyDir: {}}
      containers:"""

CONTAINER = """\
          securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
          volumeMounts:
            - {name: tls, mountPath: /etc/vaporbrush/tls, readOnly: true}
            - {name: home, mountPath: /var/lib/vaporbrush}"""


def files(kind: str, wanted: Wanted) -> dict[str, str]:
    """The text of each file by its name, for "slurm" or "kubernetes"."""
    export = f"export {VARIABLE}={shlex.quote(wanted.weights)}"
    if kind == "kubernetes":
        text = KUBERNETES.replace("@container@", CONTAINER)
        for pod, app in (("@scheduler_pod@", "vaporbrush-scheduler"), ("@node_pod@", "vaporbrush-node")):
            text = text.replace(pod, POD.replace("@app@", app))
        return {
            "studio.yaml": _filled(text, wanted, f'            - {{name: {VARIABLE}, value: "{wanted.weights}"}}\n')
        }
    found = {"invite.sh": _filled(INVITE, wanted), "nodes.sbatch": _filled(SBATCH, wanted, f"{export}\n")}
    if wanted.certificates:
        found["jobqueue.py"] = _filled(JOBQUEUE, wanted, f'        job_script_prologue=["{export}"],\n')
    return found


def _filled(text: str, wanted: Wanted, given: str = "") -> str:
    """`given` is the line that names the weights, where there are some to name."""
    text = text.replace("@given@", given if wanted.weights else "")
    for one in fields(wanted):
        text = text.replace(f"@{one.name}@", str(getattr(wanted, one.name)))
    return text.replace("@command@", COMMAND)
