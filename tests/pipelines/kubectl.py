"""Stands in for kubectl where localcluster refuses `exec`: the command goes to the Fortio stand-in in the pod instead.

All other commands, and all options, go to the real kubectl, whose path is in the variable REAL_KUBECTL.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys


def run(*arguments: str, stdin: str = "") -> str:
    """Return the output of the real kubectl; exits as it does if it fails."""
    done = subprocess.run(
        [os.environ["REAL_KUBECTL"], *arguments], input=stdin, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout


def main() -> None:
    """Run the command line."""
    if sys.argv[1:2] != ["exec"]:
        os.execv(os.environ["REAL_KUBECTL"], ["kubectl", *sys.argv[1:]])
    parser = argparse.ArgumentParser(prog="kubectl exec", allow_abbrev=False)
    parser.add_argument("exec")
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--container", "-c", required=True)
    parser.add_argument("of", help="deploy/NAME")
    mark = sys.argv.index("--")
    options = parser.parse_args(sys.argv[1:mark])
    where = ("--namespace", options.namespace)
    labels = json.loads(run("get", options.of, *where, "-o", "json"))["spec"]["selector"]["matchLabels"]
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    run("wait", "pods", "-l", selector, "--for=condition=Ready", "--timeout=60s", *where)
    (pod, *_) = json.loads(run("get", "pods", "-l", selector, *where, "-o", "json"))["items"]
    containers = {one["name"]: one["ports"][0]["containerPort"] for one in pod["spec"]["containers"]}
    name, port = pod["metadata"]["name"], containers[options.container]
    path = f"/api/v1/namespaces/{options.namespace}/pods/{name}:{port}/proxy/"
    print(run("create", "--raw", path, "-f", "-", stdin=json.dumps(sys.argv[mark + 1 :])), end="")


if __name__ == "__main__":
    main()
