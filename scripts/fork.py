"""Give the app of this repository another name and image: `make fork NAME=shop IMAGE=registry.example/shop`.

Renames what belongs to the app, and the tests that use its files. The driver, its tests and the changelog keep the name
`sampleapp`: there it is only an example. All checks come before the first write, and nothing is committed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

import yaml

OLD = "sampleapp"
LONGEST = 63 - len("-baseline")
LONGEST_RELEASE = 26
"""The Helm chart kube-prometheus-stack cuts off the rest of a longer name."""

KEPT = (
    "CHANGELOG.md",  # history
    "LICENSE",
    "bench/",
    "docs/images/",  # pictures of releases of the sample app
    "docs/reference/",  # made from the driver's help texts
    "localcluster/",
    "pipeline/canary/",
    "requirements/",
    "scripts/fork.py",
    "tests/app/",  # a variable there has this name
    "tests/bench/",
    "tests/canary/",
    "tests/localcluster/",
    "tests/scripts/test_fork.py",
    "tests/template.py",
)
"""Files and folders in which `sampleapp` is not this repository's app."""

TAKEN = ("app", "canary", "fortio", "fortio-deploy", "grafana", "localcluster", "locust", "prometheus")
"""Names that something else in this repository has."""

_HOST = r"[a-z0-9]+(?:[.-][a-z0-9]+)*(?::[0-9]+)?"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(rf"(?:{_HOST}/)?{_PART}(?:/{_PART})*")

_TAGGED = (
    rf"(?<![\w/.$-]){OLD}(?=:(?:[0-9]{{1,3}}(?![0-9])|missing|[{{$<'\"]))"  # sampleapp:20, not http://sampleapp:8080
)
_REPLACED = (  # in a manifest, a pipeline, a command, the workshop
    rf"(?<=image: ){OLD}(?![\w:/-])|(?<=--image ){OLD}(?=[=:])|(?<=IMAGE = \"){OLD}(?=\")"
)
_EXAMPLE = rf"(?:registry\.example|example\.azurecr\.io)/{OLD}(?![\w-])|(?<=image in the manifests is `){OLD}"
_IMAGES = re.compile(f"{_EXAMPLE}|{_TAGGED}|{_REPLACED}")


UNDO = "git restore . && git clean -fd monitoring"


class ForkError(Exception):
    """The fork is not possible: one sentence says why, and what to do."""


def main() -> int:
    """Fork the repository in the current folder; return the exit code."""
    parser = argparse.ArgumentParser(prog="make fork", description=__doc__)
    parser.add_argument("--name", default="", help="of the Deployment, the Service and the dashboard: a DNS label")
    parser.add_argument("--image", default="", help="that your pipeline pushes, without a tag")
    given = parser.parse_args()
    try:
        print(fork(Path(), given.name, given.image))
    except ForkError as error:
        print(f"make fork: {error}", file=sys.stderr)
        return 2
    return 0


def fork(root: Path, name: str, image: str) -> str:
    """Rename the app of the repository in `root`, and return what was done and what is left to do.

    Raises:
        ForkError: the name or the image is not valid, or the repository is not ready. Nothing was written.
    """
    check_name(name)
    check_image(image)
    now = yaml.safe_load((root / "manifests/deployment.yml").read_text())
    named, imaged = now["metadata"]["name"], now["spec"]["template"]["spec"]["containers"][0]["image"]
    if (named, imaged) == (name, image):
        return f"Nothing to do: the app is already {name}, with the image {image}."
    if named != OLD:
        raise ForkError(
            f"manifests/deployment.yml has the app {named} with the image {imaged}: this repository is a fork already. "
            f"Rename {named} by hand, or start again from the template's commit"
        )
    if changes := git(root, "status", "--porcelain"):
        first = changes.splitlines()[0][3:]
        raise ForkError(
            f"the working tree has changes, such as {first}. Commit or stash them, so that you can undo this"
        )
    changed = [path for path in files(root) if rewrite(root / path, name, image)]
    moved = [rename(root, path, name) for path in files(root) if OLD in Path(path).name]
    try:
        tidy(root, changed)
    except subprocess.CalledProcessError as error:
        raise ForkError(
            f"the app is renamed, but {' '.join(error.cmd[1:4])} failed, which formats what has changed. "
            f"To undo it all: {UNDO}"
        ) from error
    return report(name, image, len(changed), moved)


def check_name(name: str) -> None:
    """Refuse a name that the Deployment, its variants or its Service cannot have."""
    if not name:
        raise ForkError("NAME is missing. For example: make fork NAME=shop IMAGE=registry.example/shop")
    if not re.fullmatch("[a-z]([-a-z0-9]*[a-z0-9])?", name):
        raise ForkError(
            f"NAME={name}: a Service's name has lower-case letters, digits and -, begins with a letter, and ends with "
            "a letter or digit. For example: NAME=shop"
        )
    if len(name) > LONGEST:
        raise ForkError(f"NAME={name}: with -baseline it is longer than 63 characters. Use {LONGEST} at most")
    if name.endswith(("-canary", "-baseline")):
        raise ForkError(f"NAME={name}: a release makes Deployments with this ending. Choose a name without it")
    if name == OLD or name in TAKEN:
        raise ForkError(f"NAME={name}: something in this repository already has this name. Choose another")


def check_image(image: str) -> None:
    """Refuse what is not the name of an image without tag and digest."""
    if not image:
        raise ForkError("IMAGE is missing. For example: make fork NAME=shop IMAGE=registry.example/shop")
    if "://" in image:
        raise ForkError(f"IMAGE={image}: an image has no scheme. Leave out {image.partition('://')[0]}://")
    folder, slash, last = image.rpartition("/")
    if bare := re.fullmatch("([^@:]+)[@:].*", last):
        raise ForkError(
            f"IMAGE={image}: leave out the tag or digest, because each release names its own: "
            f"IMAGE={folder}{slash}{bare[1]}"
        )
    if not _IMAGE.fullmatch(image):
        raise ForkError(
            f"IMAGE={image}: is not an image's name, which is lower-case: REGISTRY/FOLDER/NAME. For example: "
            "IMAGE=registry.example/shop"
        )


def files(root: Path) -> list[str]:
    """Return the files that belong to the app."""
    listed = git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    return [path for path in listed if path and not path.startswith(KEPT) and (root / path).is_file()]


def rewrite(path: Path, name: str, image: str) -> bool:
    """Rename the app in a file; return whether it was named there."""
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError:  # a picture
        return False
    if OLD not in text:
        return False
    registry, _, repository = image.partition("/") if "/" in image else ("", "", image)
    new = _IMAGES.sub(image, text)
    if registry == "ghcr.io":
        new = re.sub(rf"ghcr\.io/(?:\$\{{GITHUB_REPOSITORY,,\}}|OWNER/REPOSITORY)/{OLD}(?![\w-])", image, new)
    new = new.replace("containerRegistry: example.azurecr.io", f"containerRegistry: {registry or 'docker.io'}")
    new = new.replace(f"imageRepository: {OLD}", f"imageRepository: {repository}")
    path.write_bytes(new.replace(OLD, name).encode())
    return True


def rename(root: Path, path: str, name: str) -> str:
    """Rename a file after the app; return its new path."""
    old = root / path
    new = old.with_name(old.name.replace(OLD, name))
    old.rename(new)
    return new.relative_to(root).as_posix()


def tidy(root: Path, changed: list[str]) -> None:
    """Format Python files again, because a name of another length breaks lines elsewhere, and draw what shows names."""
    sources = [path for path in changed if path.endswith(".py")]
    for command in (
        ("ruff", "format", "--quiet", *sources),
        ("ruff", "check", "--quiet", "--select", "E501", "--add-noqa", *sources),  # a long text that nobody can break
        ("ruff", "format", "--quiet", *sources),
        ("scripts.make_architecture",),
    ):
        subprocess.run([sys.executable, "-m", *command], cwd=root, check=True)


def git(root: Path, *arguments: str) -> str:
    """Return the output of git."""
    done = subprocess.run(["git", "-C", root, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ForkError(f"git {arguments[0]} failed: {done.stderr.strip()}. Run this in a clone of the repository")
    return done.stdout


def report(name: str, image: str, changed: int, moved: list[str]) -> str:
    """Return what was done, what stays, and what a person has to do."""
    lines = [
        f"The app is now {name}, with the image {image}: changed {changed} files, and made {', '.join(moved)}.",
        "",
        "Unchanged, because `sampleapp` is only an example there: CHANGELOG.md, the driver and localcluster with their",
        "tests and help texts (docs/reference/), tests/app, and pictures of releases in docs/images/.",
        "",
        "Next:",
        f"  git diff                # look at the changes. To undo them: {UNDO}",
        f"  git add -A && git commit -m 'Name the app {name}'",
        "  make demo               # still works, as do the tutorial and the tests, until you replace app/",
        "",
        "Left to you:",
        "  app/                    your app. Then delete what is about the sample app: tests/app, e2e/, the tutorial",
        "  manifests/, canary.yml  its ports and metrics; `canary init` writes canary.yml (docs/your-own-app.md)",
        f"  monitoring/grafana/{name}.json, misc/: your metrics, where they are not requests_total{{custom_status}}",
        "  azure-pipelines.yml     names of your service connections and environment (docs/azure-pipelines.md)",
        "  README.md, docs/        your words",
    ]
    if not image.startswith("ghcr.io/"):
        lines.append("  .github/workflows/      canary.yml pushes to ghcr.io: change the log-in for another registry")
    if len(name) > LONGEST_RELEASE:
        lines.append(
            f"  make monitoring         Helm cuts it to {LONGEST_RELEASE} characters: set a shorter fullnameOverride"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
