"""The parts of the Kubernetes API that the driver relies on: localcluster and real clusters answer alike.

The suite runs on both, so each row below holds for both. tests/localcluster/apiserver/test_agreement.py adds random
writes.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.api import APPLY, CORE, DEPLOYMENTS, MERGE, STRATEGIC, Answer, Api, proxy
from e2e.cluster import Namespace
from e2e.polling import poll

Object = dict[str, Any]


@pytest.fixture
def api(namespace: Namespace) -> Iterator[Api]:
    """Give the API of the cluster under test."""
    with proxy(namespace.kubeconfig) as url:
        yield Api(url, namespace.name)


def deployment(**spec: Any) -> Object:
    """Return the smallest valid Deployment, without pods, with some fields of its spec replaced."""
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "x:1"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "x"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "x"}}, "template": template, **spec},
    }


def container(**fields: Any) -> Object:
    """Return that Deployment with some fields of its container replaced."""
    obj = deployment()
    obj["spec"]["template"]["spec"]["containers"][0].update(fields)
    return obj


def meta(**fields: Any) -> Object:
    """Return that Deployment with some fields of its metadata replaced."""
    obj = deployment()
    obj["metadata"].update(fields)
    return obj


def applied(**fields: Any) -> Object:
    """Return a partial server-side apply to that Deployment: names, and these fields of the container."""
    obj = deployment()
    obj["spec"] = {"template": {"spec": {"containers": [{"name": "c", **fields}]}}}
    return obj


CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "fixed"}, "data": {"a": "1"}, "immutable": True}
X = f"{DEPLOYMENTS}/x"
OWN = f"{X}?fieldManager=contract"
TWICE = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]

# Deployment x and ConfigMap fixed are there. A row: what is asked, and the refusal: code, reason, fields at fault.
REFUSALS: dict[str, tuple[tuple[Any, ...], tuple[int, str, list[str]]]] = {
    "get what is not there": (("GET", f"{DEPLOYMENTS}/y"), (404, "NotFound", [])),
    "an unknown resource": (("GET", "/apis/apps/v1/namespaces/{namespace}/nothings"), (404, "NotFound", [])),
    "create what is there": (("POST", DEPLOYMENTS, deployment()), (409, "AlreadyExists", [])),
    "create in a namespace that is not there": (
        ("POST", "/apis/apps/v1/namespaces/e2e-not-there/deployments", deployment()),
        (404, "NotFound", []),
    ),
    "create for another namespace": (("POST", DEPLOYMENTS, meta(namespace="other")), (400, "BadRequest", [])),
    "a value of the wrong type": (("POST", DEPLOYMENTS, deployment(replicas="two")), (400, "BadRequest", [])),
    "an unknown field, strictly": (
        ("POST", f"{DEPLOYMENTS}?fieldValidation=Strict", deployment(replicsa=2)),
        (400, "BadRequest", []),
    ),
    "a bad name": (("POST", DEPLOYMENTS, meta(name="Bad_Name")), (422, "Invalid", ["metadata.name"])),
    "a selector that does not match": (
        ("POST", DEPLOYMENTS, deployment(selector={"matchLabels": {"app": "y"}}) | {"metadata": {"name": "y"}}),
        (422, "Invalid", ["spec.template.metadata.labels"]),
    ),
    "no image": (
        ("POST", DEPLOYMENTS, container(image="")),
        (422, "Invalid", ["spec.template.spec.containers[0].image"]),
    ),
    "a port out of range": (
        ("POST", DEPLOYMENTS, container(ports=[{"containerPort": 99999}])),
        (422, "Invalid", ["spec.template.spec.containers[0].ports[0].containerPort"]),
    ),
    "another selector": (
        ("PATCH", X, {"spec": {"selector": {"matchLabels": {"app": "x", "more": "1"}}}}, MERGE),
        (422, "Invalid", ["spec.selector", "spec.template.metadata.labels"]),
    ),
    "an old resourceVersion": (("PUT", X, meta(resourceVersion="1")), (409, "Conflict", [])),
    "a patch of another uid": (("PATCH", X, {"metadata": {"uid": "1"}}, STRATEGIC), (422, "Invalid", ["metadata.uid"])),
    "a merge of another uid": (("PATCH", X, {"metadata": {"uid": "1"}}, MERGE), (422, "Invalid", ["metadata.uid"])),
    "another object of that name": (("PUT", X, meta(uid="1")), (409, "Conflict", [])),
    "an unknown kind of patch": (("PATCH", X, {}, "application/json"), (415, "UnsupportedMediaType", [])),
    "apply with managedFields": (
        ("PATCH", f"{OWN}&force=true", meta(managedFields=[{"manager": "m"}]), APPLY),
        (400, "BadRequest", []),
    ),
    "apply with another uid": (
        ("PATCH", f"{OWN}&force=true", meta(uid="1"), APPLY),
        (422, "Invalid", ["metadata.uid"]),
    ),
    "apply what another manager owns": (
        ("PATCH", OWN, applied(image="x:2"), APPLY),
        (409, "Conflict", ['.spec.template.spec.containers[name="c"].image']),
    ),
    "apply without a manager": (("PATCH", X, applied(image="x:2"), APPLY), (422, "Invalid", ["fieldManager"])),
    "change what is immutable": (
        ("PATCH", f"{CORE}/configmaps/fixed", {"data": {"a": "2"}}, MERGE),
        (422, "Invalid", ["data"]),
    ),
    "delete another uid": (
        ("DELETE", X, {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": "1"}}),
        (409, "Conflict", []),
    ),
    "delete what is not there": (("DELETE", f"{DEPLOYMENTS}/y"), (404, "NotFound", [])),
    "an unknown field selector": (("GET", f"{DEPLOYMENTS}?fieldSelector=spec.replicas%3D1"), (400, "BadRequest", [])),
    "the log of no pod": (("GET", f"{CORE}/pods/y/log"), (404, "NotFound", [])),
}


def test_refusals_have_their_code_reason_and_fields(api: Api) -> None:
    assert api("POST", f"{DEPLOYMENTS}?fieldManager=maker", deployment()).code == 201
    assert api("POST", f"{CORE}/configmaps", CONFIG).code == 201
    answers = {name: api(*request).refusal for name, (request, _) in REFUSALS.items()}
    assert answers == {name: expected for name, (_, expected) in REFUSALS.items()}


POD_DEFAULTS = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "securityContext": {},
    "schedulerName": "default-scheduler",
}
CONTAINER_DEFAULTS = {
    "name": "c",
    "image": "x:1",
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "imagePullPolicy": "IfNotPresent",
}
PROBE_DEFAULTS = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}


def test_missing_fields_get_their_defaults(api: Api) -> None:
    obj = container(ports=[{"containerPort": 80}], readinessProbe={"httpGet": {"port": 80}})
    made = api("POST", DEPLOYMENTS, obj).body
    assert made["metadata"]["generation"] == 1
    assert made["spec"] == {
        "replicas": 0,
        "selector": {"matchLabels": {"app": "x"}},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
        "template": {
            "metadata": {"labels": {"app": "x"}},
            "spec": POD_DEFAULTS
            | {
                "containers": [
                    CONTAINER_DEFAULTS
                    | {
                        "ports": [{"containerPort": 80, "protocol": "TCP"}],
                        "readinessProbe": PROBE_DEFAULTS | {"httpGet": {"path": "/", "port": 80, "scheme": "HTTP"}},
                    }
                ]
            },
        },
    }
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"ports": [{"port": 80}]}}
    spec = api("POST", f"{CORE}/services", service).body["spec"]
    assert spec.pop("clusterIP") == spec.pop("clusterIPs")[0]
    assert spec == {
        "type": "ClusterIP",
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
        "sessionAffinity": "None",
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
    }


def test_a_dry_run_answers_and_changes_nothing(api: Api) -> None:
    assert api("POST", f"{DEPLOYMENTS}?dryRun=All", deployment()).code == 201
    assert api("GET", X).code == 404
    api("POST", DEPLOYMENTS, deployment())
    tried = api("PATCH", f"{OWN}&force=true&dryRun=All", applied(image="x:2"), APPLY).body
    assert tried["spec"]["template"]["spec"]["containers"][0]["image"] == "x:2"
    assert tried["metadata"]["generation"] == 2
    assert api("GET", X).body["metadata"]["generation"] == 1
    assert api("DELETE", f"{X}?dryRun=All").code == 200
    assert api("GET", X).code == 200


def owners(obj: Object) -> list[tuple[str, str, str]]:
    """Return manager, operation and subresource of the entries in managedFields that a person or tool made."""
    entries = obj["metadata"]["managedFields"]
    found = [(e["manager"], e["operation"], e.get("subresource", "")) for e in entries]
    return sorted(entry for entry in found if entry[0] != "kube-controller-manager")


def test_every_write_records_its_field_manager(api: Api) -> None:
    made = api("POST", DEPLOYMENTS, deployment()).body  # its manager is the client's name, up to the slash
    assert owners(made) == [("contract", "Update", "")]
    scale = api("PATCH", f"{X}/scale?fieldManager=scaler", {"spec": {"replicas": 0}}, MERGE).body
    assert (scale["kind"], scale["spec"].get("replicas", 0)) == ("Scale", 0)  # a real one leaves zeros out
    assert scale["status"]["selector"] == "app=x"
    conflict = api("PATCH", f"{X}?fieldManager=applier", applied(image="x:2"), APPLY)
    assert conflict.body["details"]["causes"][0]["reason"] == "FieldManagerConflict"
    forced = api("PATCH", f"{X}?fieldManager=applier&force=true", applied(image="x:2"), APPLY).body
    assert owners(forced) == [("applier", "Apply", ""), ("contract", "Update", "")]
    (entry,) = (e for e in forced["metadata"]["managedFields"] if e["manager"] == "applier")
    fields: Object = {".": {}, "f:name": {}, "f:image": {}}
    assert entry["fieldsV1"] == {"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"c"}': fields}}}}}


def names(answer: Answer) -> list[str]:
    """Return the names in a list."""
    return sorted(item["metadata"]["name"] for item in answer.body["items"])


SELECTORS = {
    "labelSelector=a%3D1": ["one"],
    "labelSelector=a!%3D1": ["none", "two"],
    "labelSelector=a+in+(1,2)": ["one", "two"],
    "labelSelector=a+notin+(1)": ["none", "two"],
    "labelSelector=a": ["one", "two"],
    "labelSelector=!a": ["none"],
    "labelSelector=a,b%3Dx": ["one"],
    "fieldSelector=metadata.name%3Dtwo": ["two"],
    "fieldSelector=metadata.name!%3Dtwo": ["none", "one"],
}


def test_selectors_select_the_right_objects(api: Api) -> None:
    for name, labels in {"one": {"a": "1", "b": "x"}, "two": {"a": "2"}, "none": {}}.items():
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}}
        assert api("POST", f"{CORE}/configmaps", config).code == 201
    found = {query: names(api("GET", f"{CORE}/configmaps?{query}")) for query in SELECTORS}
    root = {"kube-root-ca.crt"}  # a real cluster puts that one into every namespace
    assert {query: sorted({*chosen} - root) for query, chosen in found.items()} == SELECTORS


def conditions(obj: Object) -> dict[str, tuple[str, str]]:
    """Return status and reason of each condition of an object."""
    return {c["type"]: (c["status"], c.get("reason", "")) for c in obj["status"]["conditions"]}


def events_of(api: Api, obj: Object) -> list[tuple[str, str]]:
    """Return type and reason of an object's events, in the order of their first occurrence."""
    uid = obj["metadata"]["uid"]
    found = api("GET", f"{CORE}/events?fieldSelector=involvedObject.uid%3D{uid}").body["items"]
    found.sort(key=lambda e: int(e["metadata"]["resourceVersion"]))
    return [(e["type"], e["reason"]) for e in found]


def test_a_rollout_goes_through_its_states(namespace: Namespace, api: Api, sample: dict[str, Object]) -> None:
    obj = copy.deepcopy(sample["Deployment"])
    obj["spec"]["replicas"] = 1
    obj["spec"]["template"]["spec"]["containers"][0]["image"] = "sampleapp:10"
    path = f"{DEPLOYMENTS}/sampleapp"
    assert api("POST", f"{CORE}/services", sample["Service"]).code == 201
    api("POST", DEPLOYMENTS, obj)
    namespace.kubectl("rollout", "status", "deployment/sampleapp", "--timeout=60s")

    live = api("GET", path).body
    status = dict(live["status"])
    assert conditions(live) == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }
    del status["conditions"]
    assert status.pop("terminatingReplicas", 0) == 0  # younger clusters alone tell it
    counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "observedGeneration")
    assert status == dict.fromkeys(counts, 1)
    assert live["metadata"]["annotations"] == {"deployment.kubernetes.io/revision": "1"}

    (replica_set,) = namespace.list("replicasets")
    mark = replica_set["metadata"]["labels"]["pod-template-hash"]
    assert replica_set["metadata"]["name"] == f"sampleapp-{mark}"
    assert replica_set["spec"]["selector"]["matchLabels"] == {"app": "sampleapp", "pod-template-hash": mark}
    (owner,) = replica_set["metadata"]["ownerReferences"]
    assert owner == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": "sampleapp",
        "uid": live["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    (pod,) = namespace.list("pods")
    assert pod["metadata"]["name"].startswith(f"sampleapp-{mark}-")
    assert pod["status"]["phase"] == "Running"
    ready = {kind: ok for kind, (ok, _) in conditions(pod).items()}
    assert ready == dict.fromkeys(
        ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"), "True"
    )
    (ran,) = pod["status"]["containerStatuses"]
    assert (ran["ready"], ran["started"], ran["restartCount"], list(ran["state"])) == (True, True, 0, ["running"])
    assert ran["imageID"]
    (slice_,) = api("GET", "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices").body["items"]
    (endpoint,) = slice_["endpoints"]
    assert endpoint["conditions"] == {"ready": True, "serving": True, "terminating": False}
    assert endpoint["targetRef"]["uid"] == pod["metadata"]["uid"]

    assert events_of(api, live) == [("Normal", "ScalingReplicaSet")]
    assert events_of(api, replica_set) == [("Normal", "SuccessfulCreate")]
    assert events_of(api, pod)[:4] == [("Normal", r) for r in ("Scheduled", "Pulled", "Created", "Started")]

    missing = {"containers": [{"name": "sampleapp", "image": "sampleapp:missing"}]}
    api("PATCH", path, {"spec": {"progressDeadlineSeconds": 5, "template": {"spec": missing}}}, STRATEGIC)
    stuck = ("False", "ProgressDeadlineExceeded")
    poll("the deadline passes", lambda: conditions(api("GET", path).body)["Progressing"] == stuck)
    live = api("GET", path).body
    assert conditions(live)["Available"] == ("True", "MinimumReplicasAvailable")  # the old pod has not gone
    assert live["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    assert {k: live["status"][k] for k in counts} == dict.fromkeys(counts, 1) | {"replicas": 2, "observedGeneration": 2}
    (new,) = (p for p in namespace.list("pods") if p["metadata"]["name"] != pod["metadata"]["name"])
    assert new["status"]["phase"] == "Pending"
    poll("the image is missed", lambda: ("Warning", "Failed") in events_of(api, new))
    (status,) = (namespace.get("pod", new["metadata"]["name"]) or {})["status"]["containerStatuses"]
    assert status["state"]["waiting"]["reason"] in ("ErrImagePull", "ImagePullBackOff")

    assert (
        api("DELETE", path, {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}).code
        == 200
    )
    poll("what it owned goes with it", lambda: not namespace.list("replicasets") and not namespace.list("pods"))
