"""`localcluster build`: which parts of a Dockerfile are carried out, and which are refused."""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from pathlib import Path

import pytest

from localcluster.images.dockerfile import BuildError
from localcluster.images.requirements import Environments
from localcluster.images.store import Image, Images
from tests.localcluster.cluster import Command


@pytest.fixture
def images(tmp_path: Path, cache: Path) -> Images:
    return Images(tmp_path / "images", Environments(cache / "environments"))


def context(tmp_path: Path, dockerfile: str, **files: str) -> Path:
    """Return a build context. In the names of files, __ stands for a slash and _ for a dot."""
    folder = tmp_path / "context"
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text(dockerfile)
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def build(images: Images, folder: Path, **arguments: str) -> Image:
    images.build(folder, "x:1", arguments=arguments)
    found = images.find("x:1")
    assert found is not None
    return found


def test_an_image_has_the_settings_of_its_dockerfile(images: Images, tmp_path: Path) -> None:
    dockerfile = """\
# syntax=docker/dockerfile:1
ARG BASE=python
FROM ${BASE}:3.11
ARG VERSION=dev
ENV VERSION=${VERSION} \\
    # a comment between continued lines
    GREETING="hello world"
ENV OLD style of variable
LABEL a="b" c="d"
WORKDIR /srv
WORKDIR app
COPY --chown=1000:1000 one.py two.py ./
COPY sub /data/
USER 1000
EXPOSE 8080
ENTRYPOINT ["python"]
CMD ["one.py", "--version", "$VERSION"]
"""
    found = build(images, context(tmp_path, dockerfile, one_py="1", two_py="2", sub__deep__x_txt="3"), VERSION="7")
    assert found.env == {"VERSION": "7", "GREETING": "hello world", "OLD": "style of variable"}
    assert (found.entrypoint, found.command) == (["python"], ["one.py", "--version", "$VERSION"])
    assert found.workdir == "/srv/app"
    files = sorted(str(p.relative_to(found.root)) for p in found.root.rglob("*") if p.is_file())
    assert files == ["data/deep/x.txt", "srv/app/one.py", "srv/app/two.py"]


def test_the_shell_form_of_a_command_is_run_by_a_shell(images: Images, tmp_path: Path) -> None:
    found = build(images, context(tmp_path, "FROM python\nCMD echo $HOME\n"))
    assert found.command == ["/bin/sh", "-c", "echo $HOME"]


def test_dockerignore_excludes_files(images: Images, tmp_path: Path) -> None:
    folder = context(tmp_path, "FROM python\nCOPY . /\n", a_py="", a_pyc="", sub__b_pyc="", secret__key="", keep_pyc="")
    (folder / ".dockerignore").write_text("**/*.pyc\n!keep.pyc\nsecret\n# nothing\nDockerfile\n.dockerignore\n")
    found = build(images, folder)
    assert sorted(p.name for p in found.root.rglob("*") if p.is_file()) == ["a.py", "keep.pyc"]


def test_the_digest_depends_on_content_and_settings(images: Images, tmp_path: Path) -> None:
    folder = context(tmp_path, "FROM python\nARG V\nENV V=$V\nCOPY a.txt /\n", a_txt="one")
    first = build(images, folder, V="1").digest
    assert build(images, folder, V="1").digest == first
    assert build(images, folder, V="2").digest != first
    (folder / "a.txt").write_text("two")
    changed = build(images, folder, V="1")
    assert changed.digest != first
    assert changed.digest.startswith("sha256:")


def test_building_a_tag_again_moves_it_and_keeps_the_old_content(images: Images, tmp_path: Path) -> None:
    folder = context(tmp_path, "FROM python\nCOPY a.txt /\n", a_txt="one")
    first = build(images, folder)
    (folder / "a.txt").write_text("two")
    second = build(images, folder)
    assert [name for name, _ in images.list()] == ["x:1"]
    assert ((first.root / "a.txt").read_text(), (second.root / "a.txt").read_text()) == ("one", "two")


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("a b", "invalid reference format"),
        ("app:", "invalid reference format"),
        (f"app:{'1' * 129}", "invalid reference format"),
        ("../app", "invalid reference format"),
        ("App:1", "invalid reference format: repository name (library/App) must be lowercase"),
        ("a" * 256, "repository name must not be more than 255 characters"),
    ],
)
def test_an_image_with_an_invalid_name_is_not_built(images: Images, tmp_path: Path, reference: str, why: str) -> None:
    with pytest.raises(BuildError) as refused:
        images.build(context(tmp_path, "FROM python\n"), reference)
    assert str(refused.value) == f"{reference!r} is not a valid image name: {why}"
    assert images.find(reference) is None


@pytest.mark.parametrize(
    ("dockerfile", "said"),
    [
        ("FROM python AS a\nFROM python\n", "Dockerfile:2: localcluster does not support multi-stage builds"),
        (
            "FROM python\nRUN apt-get update\n",
            "Dockerfile:2: localcluster does not support RUN apt-get update; only RUN pip install … -r FILE",
        ),
        ("FROM python\nADD x.tar /\n", "Dockerfile:2: localcluster does not support ADD"),
        (
            "FROM python\nCOPY --from=other a /\n",
            "Dockerfile:2: localcluster does not support COPY --from",
        ),
        ("FROM python\nCOPY absent /\n", "Dockerfile:2: COPY absent: not in the build context "),
        ("FROM python\nCOPY ../Dockerfile /\n", "Dockerfile:2: COPY ../Dockerfile: outside of the build context "),
        (
            "FROM python\n\nRUN pip install -r no.txt\n",
            "Dockerfile:3: RUN pip install -r no.txt: no such file; COPY it first",
        ),
        ('FROM python\nCMD ["nothere"]\n', "Dockerfile:2: CMD: nothere is not on this machine: the base"),
        ('FROM python\nCMD ["a", 1]\n', 'Dockerfile:2: CMD ["a", 1]: not of the form'),
        ("ENV A=b\n", "Dockerfile: there is no FROM"),
    ],
)
def test_an_unsupported_instruction_is_refused_with_its_line(
    images: Images, tmp_path: Path, dockerfile: str, said: str
) -> None:
    with pytest.raises(BuildError) as refused:
        build(images, context(tmp_path, dockerfile))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert images.list() == []


@pytest.mark.parametrize(
    ("links", "instruction", "said"),
    [
        (
            {"link": "OUTSIDE"},
            "COPY . /srv/",
            "COPY: /srv/link is a symbolic link to OUTSIDE, which is not in the image",
        ),
        ({"link": "../../outside"}, "COPY . /", "COPY: /link is a symbolic link to ../../outside, which is not in"),
        ({"back": "..", "link": "back/../outside"}, "COPY . /", "COPY: /back is a symbolic link to .., which is not"),
        ({"link": "OUTSIDE"}, "COPY link/precious /", "COPY: /link/precious: /link is a symbolic link to OUTSIDE"),
        (
            {"link": "OUTSIDE"},
            "COPY link /a\nCOPY new /a/",
            "COPY: /a is a symbolic link to OUTSIDE, which is not in the",
        ),
        ({"link": "sub"}, "COPY . /\nCOPY new /link/x/", "COPY: /link/x: /link is a symbolic link to sub"),
        ({"link": "sub"}, "COPY . /\nWORKDIR /link/x", "WORKDIR: /link/x: /link is a symbolic link to sub"),
    ],
)
def test_symbolic_links_that_leave_the_build_context_are_refused(
    images: Images, tmp_path: Path, links: dict[str, str], instruction: str, said: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("mine")
    folder = context(tmp_path, f"FROM python\n{instruction}\n", new="new", sub__file="")
    for name, target in links.items():
        (folder / name).symlink_to(target.replace("OUTSIDE", str(outside)))
    with pytest.raises(BuildError) as refused:
        build(images, folder)
    assert said.replace("OUTSIDE", str(outside)) in str(refused.value)
    assert {p.name: p.read_text() for p in outside.iterdir()} == {"precious": "mine"}


def test_symbolic_links_inside_the_build_context_are_copied(images: Images, tmp_path: Path) -> None:
    folder = context(tmp_path, "FROM python\nCOPY . /srv/app/\n", sub__file="content")
    (folder / "sub" / "again").symlink_to("../sub/file")
    found = build(images, folder)
    assert (found.root / "srv/app/sub/again").readlink() == Path("../sub/file")
    assert (found.root / "srv/app/sub/again").read_text() == "content"


@pytest.mark.parametrize(
    "instruction", ["COPY file ../../../../../../../../../OUTSIDE/x", "WORKDIR /../../../..OUTSIDE/x"]
)
def test_paths_in_a_dockerfile_stop_at_the_root_of_the_image(images: Images, tmp_path: Path, instruction: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    text = f"FROM python\n{instruction.replace('OUTSIDE', str(outside))}\n"
    found = build(images, context(tmp_path, text, file="content"))
    assert list(outside.iterdir()) == []
    assert (found.root / str(outside)[1:] / "x").exists()


def test_an_unknown_build_argument_is_refused(images: Images, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no ARG for --build-arg VERSOIN"):
        build(images, context(tmp_path, "FROM python\nARG VERSION\n"), VERSOIN="1")


def test_images_with_the_same_requirements_share_one_environment(tmp_path: Path, cache: Path) -> None:
    wheel = a_wheel(tmp_path)
    dockerfile = "FROM python\nCOPY . /\nRUN pip install --no-cache-dir --require-hashes -r requirements.txt\n"
    line = f"tiny @ {wheel.as_uri()} --hash=sha256:{sha256(wheel)}\n"
    folder = context(tmp_path, dockerfile, requirements_txt=line, a_txt="one")
    images = Images(tmp_path / "images", Environments(tmp_path / "cache"))
    told: list[str] = []
    images.build(folder, "x:1", tell=told.append)
    (folder / "a.txt").write_text("two")
    images.build(folder, "x:2", tell=told.append)
    assert len([line for line in told if line.startswith("installing the requirements")]) == 1
    found = images.find("x:2")
    assert found is not None
    ran = subprocess.run(
        [found.python / "python", "-c", "import tiny; print(tiny.word)"], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "installed\n"


def test_requirements_with_a_wrong_hash_are_refused(tmp_path: Path) -> None:
    wheel = a_wheel(tmp_path)
    dockerfile = "FROM python\nCOPY . /\nRUN pip install --require-hashes -r requirements.txt\n"
    folder = context(tmp_path, dockerfile, requirements_txt=f"tiny @ {wheel.as_uri()} --hash=sha256:{'0' * 64}\n")
    images = Images(tmp_path / "images", Environments(tmp_path / "cache"))
    with pytest.raises(BuildError, match=r"Dockerfile:3: pip install: .*[Hh]ash"):
        images.build(folder, "x:1")


def test_without_uv_venv_and_pip_make_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = a_wheel(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))  # there is no uv
    programs = Environments(tmp_path / "cache").get(f"tiny @ {wheel.as_uri()}\n", [], lambda _: None)
    ran = subprocess.run(
        [programs / "python", "-c", "import tiny; print(tiny.word)"], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "installed\n"


def test_packages_come_from_the_folder_that_pip_conf_of_the_own_environment_names(tmp_path: Path) -> None:
    wheels = tmp_path / "some wheels"
    wheels.mkdir()
    a_wheel(wheels)
    settings = tmp_path / "pip.conf"
    settings.write_text(f"[global]\nno-index = true\nfind-links = {wheels}\n")
    environments = Environments(tmp_path / "cache", settings)
    programs = environments.get("tiny==1\n", [], lambda _: None)
    ran = subprocess.run(
        [programs / "python", "-c", "import tiny; print(tiny.word)"], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "installed\n"
    with pytest.raises(BuildError, match=r"click") as error:
        environments.get("click==8.5.1\n", [], lambda _: None)
    assert "Retrying" not in str(error.value)


def test_the_command_prints_the_digest_and_lists_images(command: Command) -> None:
    listed = command("images").stdout
    assert [line.split()[0] for line in listed.splitlines()] == ["web:1", "web:2"]
    refused = command("build", str(command.home / "absent"), "-t", "x", check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert (
        refused.stderr
        == f"localcluster: {command.home / 'absent'}: no such folder; pass the folder with the Dockerfile\n"
    )


def a_wheel(folder: Path) -> Path:
    """Return a wheel of a package `tiny`, which needs no package index."""
    path = folder / "tiny-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("tiny.py", "word = 'installed'\n")
        wheel.writestr("tiny-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1\n")
        wheel.writestr("tiny-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("tiny-1.dist-info/RECORD", "tiny.py,,\ntiny-1.dist-info/METADATA,,\n")
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
