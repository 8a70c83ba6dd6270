"""Wrong input: one clear line on stderr, exit code 2, nothing on stdout."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys

import pytest

from canary.cli.main import run
from canary.errors import ExitCode
from tests.canary.commandline import CANARY, CommandLine
from tests.canary.story import Story, deployment

NO_TOLERANCE = (
    "needs a --tolerance: how much worse than the baseline a canary may be and still be promoted, "
    "as a share (0.05 for five points), or as a multiple of the baseline's errors (1.5x)"
)
RELEASE = ("release", "m.yml", "--image", "app:2")
BY_HEADER = ("--traffic", "gateway", "--route", "app", "--match", "header:X-Canary=always")

WRONG = {
    ("deploy",): "no manifests given: name files, folders or - for stdin",
    ("deploy", "nowhere"): "nowhere: no such file or folder; pass manifests that exist, or - for stdin",
    ("deploy", "empty"): "empty: no manifests in this folder (.yml, .yaml, .json)",
    ("deploy", "service.yml"): "no Deployment in the manifests (only Service): a release needs a Deployment",
    ("deploy", "broken.yml"): "broken.yml:2: not valid YAML: mapping values are not allowed here",
    ("deploy", "m.yml", "twice.yml"): "twice.yml:1: Deployment app is already given at m.yml:1",
    ("deploy", "m.yml", "-n", "lab", "foreign.yml"): (
        "foreign.yml:1: Service other is in namespace prod, but the release is in lab: "
        "pass --namespace prod, or change the manifest"
    ),
    ("deploy", "m.yml", "--image", "other:2"): (
        "--image other:2: no container's image is named other; the manifests have app:1"
    ),
    ("deploy", "m.yml", "--image", "app:2", "--image", "app:3"): "--image: app:2 and app:3 would both replace app",
    ("deploy", "m.yml", "--image", "app:"): (
        "--image app:: 'app:' is not an image such as registry:5000/app:1.2 or app@sha256:…"
    ),
    ("deploy", "m.yml", "--percentage", "0"): (
        "0 % is a preview for testers: deploy with --percentage 0, --traffic gateway and --match; "
        "then release with the shares that are to be compared"
    ),
    ("deploy", "m.yml", *BY_HEADER, "--steps", "0,5"): (
        "0 % is a preview for testers: deploy with --percentage 0, --traffic gateway and --match; "
        "then release with the shares that are to be compared"
    ),
    (*RELEASE, *BY_HEADER, "--percentage", "0", "--gate", "auto", "--tolerance", "0.05"): (
        "a release at 0 % compares nothing: take canary deploy for a preview"
    ),
    ("deploy", "m.yml", "--route", "app"): "--route needs --traffic gateway",
    ("deploy", "m.yml", "--match", "header:X-Canary=always"): "--match needs --traffic gateway",
    ("deploy", "m.yml", "--replicas", "2"): "--replicas needs --traffic gateway",
    ("deploy", "m.yml", "--traffic", "gateway"): (
        "--traffic gateway needs a --route: the HTTPRoute that sends requests to the Service of the Deployment "
        "(kubectl get httproutes shows them)"
    ),
    ("deploy", "m.yml", "--traffic", "gateway", "--match", "X-Canary=always"): (
        "--match X-Canary=always: must be a header and its value, such as header:X-Canary=always"
    ),
    ("deploy", "m.yml", "--percentage", "101"): "--percentage 101: must be a percentage from 0 to 100",
    ("deploy", "m.yml", "--percentage", "half"): "--percentage half: must be a percentage from 0 to 100",
    ("deploy", "m.yml", "--steps", "50,25"): (
        "--steps 50,25: must be rising percentages from 0 to 100, such as 10,25,50"
    ),
    ("deploy", "m.yml", "--steps", "25,50", "--percentage", "10"): (
        "--percentage and --steps: use percentage for one size, or steps for several, not both"
    ),
    (*RELEASE, "--steps", "25,50"): f"a release in several steps {NO_TOLERANCE}",
    (*RELEASE, "--gate", "auto", "--metric", "a=x,y"): f"--gate auto {NO_TOLERANCE}",
    (*RELEASE, "--gate", "auto", "--metric", "a=x,y,2"): (
        "--metric: metric a: tolerance 2: must be a share from 0 to 1, such as 0.05 for five points, or a multiple of "
        "the baseline's errors above 1, such as 2x"
    ),
    (*RELEASE, "--gate", "auto", "--tolerance", "0.1", "--metric", "a=x,y", "--metric", "a=y,z"): (
        "two metrics are named a: give each metric its own name"
    ),
    (*RELEASE, "--gate", "auto", "--tolerance", "0.1", "--metric", "a=x,y", "--good", "z"): (
        "--metric and --good: use only one of them; to compare by several pairs, "
        "pass all of them as metrics, such as --metric success=GOOD,TOTAL"
    ),
    ("deploy", "m.yml", "--timeout", "soon"): "--timeout soon: must be a duration such as 5m",
    ("deploy", "m.yml", "--percentge", "5"): (
        "No such option '--percentge'. (Did you mean one of: '--context', '--percentage', '--supersede'?); "
        "see canary deploy --help"
    ),
    ("deploy", "m.yml", "--gate", "auto"): (
        "No such option '--gate' here; it is an option of canary release; see canary deploy --help"
    ),
    ("deploy", "m.yml", "--tolerance=1"): (
        "No such option '--tolerance' here; it is an option of canary release, canary watch, canary doctor, "
        "canary init, canary verdict; see canary deploy --help"
    ),
    (*RELEASE, "--gate", "auto"): f"--gate auto {NO_TOLERANCE}",
    (*RELEASE, "--gate", "auto", "--tolerance", "5"): (
        "--tolerance 5: must be a share from 0 to 1, such as 0.05 for five points, or a multiple of the baseline's "
        "errors above 1, such as 2x"
    ),
    (*RELEASE, "--gate", "maybe"): "--gate maybe: must be terminal, console, auto, manual or webhook",
    RELEASE: (
        "--gate terminal: stdin is not a terminal, so nobody can answer; pass --gate auto with a --tolerance, "
        "or run canary deploy and canary watch, then canary promote or canary reject"
    ),
    (*RELEASE, "--gate", "auto", "--tolerance", "0.05", "--min-duration", "2h"): (
        "--min-duration 2h is longer than --max-duration 1h: lower it, or raise --max-duration"
    ),
    (*RELEASE, "--gate", "auto", "--tolerance", "0.05", "--good", "requests_total{"): (
        "--good: selector 'requests_total{': write the name of a metric and conditions, such as "
        'requests_total{custom_status="good"}'
    ),
    (*RELEASE, "--gate", "auto", "--tolerance", "0.05", "--prometheus", "prometheus:9090"): (
        "Prometheus: 'prometheus:9090' is not a URL; write http://HOST:PORT or svc:NAMESPACE/NAME:PORT"
    ),
    (
        *RELEASE, "--gate", "auto", "--tolerance", "0.05",
        "--prometheus", "http://x:9090", "--prometheus-header", "Authorization=Bearer abc",
    ): (
        "--prometheus-header: must be NAME=@FILE, with the header's value in that file, as others can read arguments "
        "and settings"
    ),
    ("watch", "app"): f"canary watch {NO_TOLERANCE}",
    ("watch", "./nowhere", "--tolerance", "0.05"): (
        "nowhere: no such file or folder; pass manifests that exist, or - for stdin"
    ),
    ("status", "app", "-o", "toml"): (
        "Invalid value for '-o' / '--output': 'toml' is not one of 'text', 'json', 'yaml'; see canary status --help"
    ),
    ("-v", "status"): "Put -v after the command: canary status -v; see canary --help",
    ("--gate", "auto", "release"): "Put --gate after the command: canary release --gate; see canary --help",
    ("deplyo",): "No such command 'deplyo'. Did you mean 'deploy'?; see canary --help",
}  # fmt: skip


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_wrong_input_is_reported_in_one_line(arguments: tuple[str, ...], command_line: CommandLine) -> None:
    command_line.of_cluster("http://127.0.0.1:1", "lab")
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "other"}}
    command_line.write_objects("m.yml", deployment())
    command_line.write_objects("twice.yml", deployment("app:9"))
    command_line.write_objects("service.yml", service)
    command_line.write_objects("foreign.yml", service | {"metadata": {"name": "other", "namespace": "prod"}})
    command_line.write("broken.yml", "kind: Deployment\n  metadata: {}\n")
    (command_line.folder / "empty").mkdir()

    result = command_line(*arguments)

    assert result.err == f"canary: error: {WRONG[arguments]}\n"
    assert (result.code, result.out) == (2, "")


def test_a_stateful_set_that_runs_the_image_is_refused(command_line: CommandLine) -> None:
    worker = deployment() | {"kind": "StatefulSet", "metadata": {"name": "worker"}}
    command_line.write_objects("m.yml", deployment(), worker)
    result = command_line("deploy", "m.yml", "--image", "app:2")
    assert result.code == 2
    assert "StatefulSet worker runs app:1 as well, and a StatefulSet cannot be released as a canary" in result.err


def test_an_error_in_canary_yml_is_reported_with_its_line(command_line: CommandLine) -> None:
    command_line.write("canary.yml", "gate: auto\npercentge: 25\n")
    result = command_line("deploy", "m.yml")
    assert (result.code, result.err) == (
        2,
        "canary: error: canary.yml:2: unknown key percentge; did you mean percentage?\n",
    )


def test_without_a_kubeconfig_the_error_says_what_to_pass(command_line: CommandLine) -> None:
    home = {"HOME": str(command_line.folder), "PATH": os.environ["PATH"]}
    done = subprocess.run([CANARY, "status"], capture_output=True, text=True, env=home, check=False)
    assert done.returncode == 2
    assert done.stderr == "canary: error: no kubeconfig, and this is not a pod: pass --kubeconfig, or set KUBECONFIG\n"


def test_a_missing_kubeconfig_or_context_is_named(command_line: CommandLine) -> None:
    assert command_line("status", "--kubeconfig", "nowhere").err == (
        "canary: error: kubeconfig nowhere: no such file; correct KUBECONFIG or --kubeconfig\n"
    )
    command_line.of_cluster("http://127.0.0.1:1", "lab")
    result = command_line("status", "--context", "prod")
    assert (result.code, result.err) == (
        2,
        "canary: error: the kubeconfig has no context prod; its contexts are: lab\n",
    )


def test_an_unreachable_cluster_exits_with_3(command_line: CommandLine) -> None:
    command_line.of_cluster("http://127.0.0.1:1", "lab")
    result = command_line("status")
    assert (result.code, result.out) == (3, "")
    assert result.err.startswith("canary: error: cannot reach http://127.0.0.1:1 (context lab)")
    assert len(result.err.splitlines()) == 1


def test_verbose_prints_the_traceback_of_an_error(command_line: CommandLine) -> None:
    done = subprocess.run([CANARY, "deploy", "nowhere", "-v"], capture_output=True, text=True, check=False)
    assert "Traceback" in done.stderr
    assert (
        done.stderr.splitlines()[-1]
        == "canary: error: nowhere: no such file or folder; pass manifests that exist, or - for stdin"
    )
    assert done.returncode == 2


def test_a_bug_is_never_mistaken_for_a_rejected_release(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr("canary.cli.session.resolve", broken)
    monkeypatch.setattr("tempfile.tempdir", str(command_line.folder))
    assert run(["config"]) == 70
    message = capsys.readouterr().err
    [report] = command_line.folder.glob("canary-bug-*.txt")
    assert message == (
        "canary: error: this is a bug in canary: KeyError: 'x'; "
        f"report it to the maintainers of canary, and attach {report}\n"
    )
    assert report.read_text().startswith("Traceback")
    assert "in broken" in report.read_text()


def test_a_bug_is_reported_even_if_no_file_can_be_written(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("canary.cli.session.resolve", lambda *_: 1 / 0)
    monkeypatch.setattr("tempfile.tempdir", str(command_line.folder / "gone"))
    assert run(["config"]) == 70
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith("could not be written to a file: No such file or directory)")


@pytest.mark.parametrize("arguments", [["--help"], ["release", "--help"], ["config"], ["config", "--schema"]])
def test_commands_without_a_cluster_do_not_load_the_kubernetes_client(
    command_line: CommandLine, arguments: list[str]
) -> None:
    program = f"import sys; from canary.cli.main import run; run({arguments}); sys.exit('kubernetes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], stdout=subprocess.DEVNULL, check=False).returncode == 0


def test_reject_refuses_a_misspelt_deployment(in_cluster: CommandLine, story: Story) -> None:
    result = in_cluster("reject", "sampleap")
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        f"canary: error: there is no Deployment sampleap in namespace {story.namespace}, "
        "and no canary or baseline of it\n"
    )


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_command_with_130_and_says_where_to_look(
    command_line: CommandLine, signum: signal.Signals
) -> None:
    fifo = command_line.folder / "m.yml"
    os.mkfifo(fifo)
    command = [str(CANARY), "deploy", str(fifo)]
    reader = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with fifo.open("w"):  # opens when the command has opened it for reading, and waits for more
        reader.send_signal(signum)
        out, err = reader.communicate(timeout=60)
    assert (reader.returncode, out) == (130, "")
    assert (
        err.strip()
        == "canary: error: interrupted; canary status shows the state of the release and what you can do next"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("deploy", "-"), "-: there is no stdin to read"),
        (
            ("secret", "a", "--server", "x", "--username", "y"),
            "no password on stdin: send it from a file or a variable, such as < password",
        ),
        (RELEASE, WRONG[RELEASE]),
    ],
)
def test_a_process_without_stdin_reports_what_is_missing(
    arguments: tuple[str, ...], message: str, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    command_line.write_objects("m.yml", deployment())
    closed = f"exec '{CANARY}' {shlex.join(arguments)} <&-"
    done = subprocess.run(["sh", "-c", closed], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, f"canary: error: {message}\n")


def test_a_reader_that_stops_early_is_not_an_error(command_line: CommandLine) -> None:
    done = subprocess.run(["sh", "-c", f"'{CANARY}' config | head -n 1"], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.startswith("manifests ")


def test_an_unread_result_has_an_exit_code_of_its_own(command_line: CommandLine) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes) as nobody:
        done = subprocess.run([CANARY, "config"], stdout=nobody, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (ExitCode.UNREAD, b"")


def test_a_character_that_the_terminal_lacks_does_not_lose_the_result(command_line: CommandLine) -> None:
    command_line.write("canary.yml", 'evidence: "\\u2603"\n')
    narrow = os.environ | {"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    done = subprocess.run([CANARY, "config"], capture_output=True, text=True, env=narrow, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u2603" in done.stdout
