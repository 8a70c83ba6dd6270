"""What promote would write, by the API server's dry run. Nothing is written.

So a selector that cannot change, the refusal of an admission webhook or a missing permission shows before any pod
starts.
"""

from dataclasses import dataclass

from canary.apply.managed_fields import is_predecessor, with_last_applied
from canary.apply.merged_maps import with_merged_maps
from canary.apply.server_side_apply import to_be_applied
from canary.errors import ForbiddenError, InputError
from canary.manifests.bundle import Bundle
from canary.manifests.difference import difference, is_same
from canary.manifests.references import Reference, references
from canary.objects import (
    CONFIGURATION_KINDS,
    DEPLOYMENT,
    Kind,
    Object,
    content,
    describe,
)
from canary.ports import Cluster
from canary.variants.derive import stable, template_differences


@dataclass(frozen=True)
class Change:
    """What promote would change of one object of the manifests.

    Attributes:
        incoming: the object in the manifests.
        live: the object now, None where it does not exist.
        planned: the object after promote.
        certain: whether `planned` is from the API server. Otherwise the account may not ask it, and `planned` is from
            the manifests, without the API server's defaults.
    """

    incoming: Object
    live: Object | None
    planned: Object
    certain: bool = True

    @property
    def is_none(self) -> bool:
        """Whether nothing would change."""
        return self.live is not None and is_same(self.live, self.planned)

    @property
    def difference(self) -> tuple[str, ...]:
        """What would change of an existing object, as lines of a unified diff, values of Secrets masked."""
        return () if self.live is None or not self.is_known else difference(self.live, self.planned)

    @property
    def is_known(self) -> bool:
        """Whether the change is known: for a ConfigMap or Secret, it is known without the API server."""
        return self.certain or self.reference is not None

    @property
    def reference(self) -> Reference | None:
        """How pods refer to the object, None unless it is a ConfigMap or a Secret."""
        if Kind.of(self.incoming) not in CONFIGURATION_KINDS:
            return None
        return Reference(self.incoming["kind"], self.incoming["metadata"]["name"])

    @property
    def configures_anew(self) -> bool:
        """Whether the configuration of pods that refer to the object would change."""
        return self.reference is not None and (self.live is None or content(self.live) != content(self.planned))


class DryRun:
    """Tries promote's writes as dry runs, each once.

    Attributes:
        lacking: permissions that promote needs and the account lacks, such as `patch deployments.apps`.
        unchecked: objects whose change is unknown for lack of these permissions, such as `Service app`.
    """

    def __init__(self, cluster: Cluster, *, demanded: bool) -> None:
        """Start with nothing tried.

        Args:
            cluster: the Kubernetes API.
            demanded: whether this account is also to promote, so that a missing permission is an error.
        """
        self._cluster = cluster
        self._demanded = demanded
        self.lacking: list[str] = []
        self.unchecked: list[str] = []
        self._known: dict[tuple[Kind, str], Change] = {}

    def change(self, incoming: Object) -> Change:
        """Return what promote would change of an object.

        Raises:
            InputError: the API server would refuse it.
            ForbiddenError: the account is to promote, and may not.
        """
        key = Kind.of(incoming), incoming["metadata"]["name"]
        if key not in self._known:
            self._known[key] = self._asked_change(incoming)
        return self._known[key]

    def _asked_change(self, incoming: Object) -> Change:
        live = self._cluster.get(Kind.of(incoming), incoming["metadata"]["name"])
        if live is not None:
            _check_immutable(incoming, live)
        try:
            planned = self._asked(incoming, live)
        except InputError as error:
            raise InputError(f"promote could not write {describe(incoming)}: {error}") from error
        except ForbiddenError as error:
            if self._demanded:
                raise
            self.lacking += [error.right] if error.right not in self.lacking else []
            change = Change(incoming, live, _given(incoming, live), certain=False)
            self.unchecked += [] if live is None or change.is_known else [describe(incoming)]
            return change
        return Change(incoming, live, planned)

    def _asked(self, incoming: Object, live: Object | None) -> Object:
        """Return an object as the API server would have it after promote.

        Promote takes over the fields of kubectl, Helm and the task before it applies. A dry run cannot: it would show
        fields that they wrote, and the manifest dropped, as kept. Such an object is replaced instead.
        """
        wanted = to_be_applied(self._cluster, incoming)
        if live is None or not any(map(is_predecessor, live["metadata"].get("managedFields") or [])):
            return self._cluster.apply(wanted, dry_run=True)
        planned = with_merged_maps(wanted, live)
        metadata = {key: value for key, value in live["metadata"].items() if key != "managedFields"}
        return self._cluster.replace({**planned, "metadata": metadata | planned["metadata"]}, dry_run=True)


def check_same_template(planned: Object, canary: Object, *, label: str) -> None:
    """Refuse a release after which stable's pods would differ from the canary's.

    Args:
        planned: stable as the API server would have it.
        canary: as the API server has it, or would.
        label: key of the version label.

    Raises:
        InputError: they differ. The message says where.
    """
    name = planned["metadata"]["name"]
    differences = template_differences(planned, canary, label=label)
    if differences:
        raise InputError(
            f"stable {name} would differ from {canary['metadata']['name']} in {', '.join(differences)}, because "
            "another field manager than kubectl, Helm or canary owns these fields. To see which: "
            f"kubectl get deployment {name} -o yaml --show-managed-fields"
        )


def configuration_manifests(bundle: Bundle, incoming: Object) -> dict[Reference, Object]:
    """Return the ConfigMaps and Secrets of the manifests to which a Deployment's pods refer."""
    referred = references(incoming)
    found = {Reference(other["kind"], other["metadata"]["name"]): other for other in bundle.others}
    return {one: other for one, other in found.items() if one in referred and Kind.of(other) in CONFIGURATION_KINDS}


def _check_immutable(incoming: Object, live: Object) -> None:
    """Refuse a change that Kubernetes never allows, as the API server would, and say what to do."""
    kind, name = Kind.of(incoming), incoming["metadata"]["name"]
    if kind == DEPLOYMENT:
        was, wanted = _selector(live), _selector(incoming)
        if was != wanted:
            raise InputError(
                f"promote could not write Deployment {name}: its selector is {was}, the manifest's is {wanted}, "
                "and a selector cannot change: keep it, or release under another name"
            )
    if (
        kind in CONFIGURATION_KINDS
        and live.get("immutable")
        and content(with_merged_maps(incoming, live)) != content(live)
    ):
        raise InputError(
            f"promote could not write {describe(incoming)}: it is immutable, and its content would change. Give the "
            "new content a new name, as kustomize does. Do not delete it and create it again under the same name: "
            "nodes where a pod refers to it would go on serving the old content"
        )


def _selector(deployment: Object) -> Object:
    selector = deployment["spec"].get("selector") or {}
    return {key: value for key, value in selector.items() if value}


def _given(incoming: Object, live: Object | None) -> Object:
    """Return an object as the manifests have it."""
    if Kind.of(incoming) == DEPLOYMENT:
        return with_last_applied(stable(incoming, replicas=None))
    given = with_last_applied(incoming)
    if live is None or Kind.of(incoming) not in CONFIGURATION_KINDS:
        return given
    planned = with_merged_maps(given, live)
    return {**live, **planned, "metadata": live["metadata"] | planned["metadata"]}
