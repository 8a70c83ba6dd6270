"""What was typed, as whoever goes on with the release has to type it again."""

from __future__ import annotations

from canary.cli import flags
from canary.settings import settings as config
from canary.settings.release_arguments import Typed
from canary.settings.settings import InForce


def typed(in_force: InForce) -> Typed:
    """Return what was given to say what is released and how, less a Prometheus whose address holds a password."""
    settings = in_force.settings
    given = in_force.sources["manifests"] in ("arguments", "CANARY_MANIFESTS")
    has_password = "@" in (settings.prometheus or "")
    watch = [one for one in (*flags.VERDICT, *flags.SAMPLES) if not (has_password and one == "prometheus")]
    both = (*flags.IMAGES, "timeout")
    return Typed(
        manifests=tuple(settings.manifests) if given else (),
        promote=config.typed(in_force, both),
        watch=config.typed(in_force, watch),
        release=config.typed(in_force, (*both, "gate", "percentage", "steps", "others", *watch)),
        label=settings.label,
    )


def where(in_force: InForce, *, kubeconfig: str | None, context: str | None) -> tuple[str, ...]:
    """Return the flags that were given to say which cluster and namespace."""
    namespace = in_force.settings.namespace if in_force.sources["namespace"] == "--namespace" else None
    every = (("--kubeconfig", kubeconfig), ("--context", context), ("--namespace", namespace))
    return tuple(part for flag, value in every if value for part in (flag, value))
