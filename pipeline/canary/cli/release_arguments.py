"""The arguments of a release, for the commands that continue it."""

from collections.abc import Mapping
from typing import Any

from canary.cli import flags
from canary.settings.release_arguments import ReleaseArguments
from canary.settings.resolution import Resolved


def release_arguments(resolved: Resolved) -> ReleaseArguments:
    """Return what the user passed about the release. A URL that may hold a secret is left out."""
    settings = resolved.settings
    are_passed = resolved.sources["manifests"] in ("arguments", "CANARY_MANIFESTS")
    has_password = "@" in (settings.prometheus or "")
    watch = [name for name in (*flags.VERDICT, *flags.SAMPLES) if not (has_password and name == "prometheus")]
    promote = (*flags.IMAGES, "timeout")
    return ReleaseArguments(
        manifests=tuple(settings.manifests) if are_passed else (),
        promote=resolved.as_flags(promote),
        watch=resolved.as_flags(watch),
        release=resolved.as_flags((*promote, *flags.GATE, *flags.SIZES, "others", *watch)),
        label=settings.label,
    )


def connection_flags(resolved: Resolved, given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the flags that name the cluster and the namespace, as far as the user passed them."""
    namespace = resolved.settings.namespace if resolved.sources["namespace"] == "--namespace" else None
    values = {"--kubeconfig": given.get("kubeconfig"), "--context": given.get("context"), "--namespace": namespace}
    return tuple(part for flag, value in values.items() if value for part in (flag, value))
