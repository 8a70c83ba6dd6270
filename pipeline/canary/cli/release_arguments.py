"""The arguments of a release, for the commands that continue it."""

from __future__ import annotations

from canary.cli import flags
from canary.settings import settings as config
from canary.settings.release_arguments import ReleaseArguments
from canary.settings.settings import InForce


def release_arguments(in_force: InForce) -> ReleaseArguments:
    """Return what the user passed about the release. A Prometheus whose address holds a password is left out."""
    settings = in_force.settings
    are_passed = in_force.sources["manifests"] in ("arguments", "CANARY_MANIFESTS")
    has_password = "@" in (settings.prometheus or "")
    watch = [name for name in (*flags.VERDICT, *flags.SAMPLES) if not (has_password and name == "prometheus")]
    promote = (*flags.IMAGES, "timeout")
    return ReleaseArguments(
        manifests=tuple(settings.manifests) if are_passed else (),
        promote=config.as_flags(in_force, promote),
        watch=config.as_flags(in_force, watch),
        release=config.as_flags(in_force, (*promote, "gate", "percentage", "steps", "others", *watch)),
        label=settings.label,
    )


def connection_flags(in_force: InForce, *, kubeconfig: str | None, context: str | None) -> tuple[str, ...]:
    """Return the flags that name the cluster and the namespace, as far as the user passed them."""
    namespace = in_force.settings.namespace if in_force.sources["namespace"] == "--namespace" else None
    values = {"--kubeconfig": kubeconfig, "--context": context, "--namespace": namespace}
    return tuple(part for flag, value in values.items() if value for part in (flag, value))
