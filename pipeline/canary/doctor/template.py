"""Checks what the pods of an app must have so that a release costs no request: readiness, and an orderly end."""

import re
from collections.abc import Iterator

from canary.doctor.check import Check, ok, warning
from canary.objects import Object

GRACE_PERIOD = 30
"""Seconds that Kubernetes waits between SIGTERM and SIGKILL by default."""

SEVERAL = re.compile(r"[\n;&|]")
"""What stands between the commands of a script."""

SHELLS = ("sh", "bash", "dash", "ash", "zsh")


def check_template(name: str, deployment: Object) -> Iterator[Check]:
    """Yield whether the pods of a Deployment say when they are ready, and get the time to end in order.

    Args:
        name: of the workload.
        deployment: the canary, or what it is made from.
    """
    pod = deployment["spec"]["template"]["spec"]
    yield _readiness(name, pod)
    yield _shutdown(name, pod)


def _readiness(name: str, pod: Object) -> Check:
    if any(container.get("readinessProbe") for container in pod["containers"]):
        return ok("readiness", f"{name} has a readiness probe: a pod gets requests once it can answer", workload=name)
    return warning(
        "readiness",
        f"no container of {name} has a readiness probe, so a pod gets requests as soon as its process has started",
        "add a readinessProbe; otherwise the first requests to a canary fail, and count against it",
        workload=name,
    )


def _shutdown(name: str, pod: Object) -> Check:
    """Return whether pods end in order. Whether the app itself handles SIGTERM cannot be seen without ending one."""
    containers = pod["containers"]
    given = pod.get("terminationGracePeriodSeconds")
    seconds = GRACE_PERIOD if given is None else int(given)
    shell = next((one["name"] for one in containers if _is_shell(one)), "")
    if not seconds:
        return warning(
            "shutdown",
            f"pods of {name} are killed without SIGTERM, because terminationGracePeriodSeconds is 0",
            "remove it; otherwise each end of a release breaks off open requests",
            workload=name,
        )
    if shell:
        return warning(
            "shutdown",
            f"container {shell} of {name} runs a shell as its process 1, and a shell does not pass SIGTERM on",
            "start the app with exec, or as a list without a shell; otherwise pods are killed after "
            f"{seconds} s with their open requests",
            workload=name,
        )
    if not any((container.get("lifecycle") or {}).get("preStop") for container in containers):
        return warning(
            "shutdown",
            f"pods of {name} get SIGTERM at once when they are deleted (no container has a preStop hook), while nodes "
            "still send them requests for a moment",
            "add lifecycle.preStop.sleep of 5 seconds, unless the app goes on answering that long after SIGTERM",
            workload=name,
        )
    return ok("shutdown", f"pods of {name} pause before SIGTERM, and have {seconds} s in all to end", workload=name)


def _is_shell(container: Object) -> bool:
    """Return whether a container's process 1 stays a shell."""
    words = [*(container.get("command") or []), *(container.get("args") or [])]
    if not container.get("command") or words[0].rpartition("/")[2] not in SHELLS or "-c" not in words[:-1]:
        return False
    script = words[words.index("-c") + 1].strip()
    is_replaced = not SEVERAL.search(script)  # bash and dash give their process to a single command
    return not is_replaced and not any(line.strip().startswith("exec ") for line in script.splitlines())
