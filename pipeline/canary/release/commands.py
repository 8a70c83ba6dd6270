"""The commands that continue, finish or end a release, complete and ready to paste."""

from __future__ import annotations

from canary.marks import VERSION_LABEL
from canary.objects import Object
from canary.observe.deployments import images
from canary.settings.options import Options
from canary.settings.release_arguments import MANIFESTS, ReleaseArguments, arguments_of, command
from canary.state.last_promote import LastPromote


class Commands:
    """The commands for some workloads of one release."""

    def __init__(self, options: Options, *names: str, arguments: ReleaseArguments | None = None) -> None:
        """Take the arguments of the release; by default those of this run."""
        self._options, self._names = options, names
        self._given = arguments or options.arguments or _placeholders("IMAGE")
        label = arguments.label if arguments else options.label
        self._label = () if label == VERSION_LABEL else ("--label", label)

    @classmethod
    def of(cls, options: Options, name: str, canary: Object | None) -> Commands:
        """Return the commands for a workload, with the arguments that its canary was deployed with."""
        arguments = arguments_of(canary) if canary else None
        if arguments is None:
            arguments = _placeholders(*(images(canary) if canary else ("IMAGE",)), label=options.label)
        return cls(options, name, arguments=arguments)

    @property
    def rollback(self) -> str:
        """Returns to the state before the last promote."""
        return self._command("rollback", *self._names)

    @property
    def status(self) -> str:
        """Shows the state of the release."""
        return self._command("status", *self._names)

    @property
    def reject(self) -> str:
        """Ends the release."""
        return self._command("reject", *self._names)

    @property
    def promote(self) -> str:
        """Rolls the canary's version out to stable."""
        return self._command("promote", *self._given.manifests, *self._given.promote)

    @property
    def release(self) -> str:
        """Continues the release, step by step."""
        return self._command("release", *self._given.manifests, *self._given.release)

    @property
    def apply(self) -> str:
        """Applies the manifests as they are."""
        return self._command("apply", *self._given.manifests, *self._given.promote)

    @property
    def new(self) -> str:
        """Begins another release."""
        return command("release", MANIFESTS, "--image", "IMAGE", connection=self._options.connection_flags)

    @property
    def watch(self) -> str:
        """Compares canary and baseline; only reports where there is no tolerance to decide by."""
        is_tolerance_known = "--tolerance" in self._given.watch or all(
            metric.tolerance is not None for metric in self._options.measures.metrics
        )
        return self._command(
            "watch", *self._names, *self._given.watch, *(() if is_tolerance_known else ("--report-only",))
        )

    def finish_undo(self, last: LastPromote) -> str:
        """Return the command that finishes the undo of a promote that failed."""
        return self.rollback if last.can_be_rolled_back else self.promote

    def _command(self, action: str, *arguments: str) -> str:
        return command(action, *arguments, *self._label, connection=self._options.connection_flags)


def _placeholders(*shown: str, label: str = VERSION_LABEL) -> ReleaseArguments:
    flags = tuple(part for image in shown for part in ("--image", image))
    return ReleaseArguments((MANIFESTS,), promote=flags, release=flags, label=label)
