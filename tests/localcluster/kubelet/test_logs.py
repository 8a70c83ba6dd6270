"""The logs of containers."""

from __future__ import annotations

from tests.localcluster.cluster import Namespace
from tests.localcluster.objects import pod, script
from tests.localcluster.pods import state


def test_logs_can_be_limited_followed_and_shown_with_times(namespace: Namespace) -> None:
    namespace.apply(
        pod("talker", script("for i in 1 2 3 4 5; do echo line $i; done; sleep 1; echo last"), restartPolicy="Never")
    )
    namespace.pod("talker", lambda p: "running" in state(p)["state"])
    assert namespace.follow("talker").communicate(timeout=20)[0].splitlines()[-2:] == ["line 5", "last"]
    assert namespace.kubectl("logs", "talker", "--tail=2") == "line 5\nlast\n"
    dated = namespace.kubectl("logs", "talker", "--timestamps", "--tail=1")
    assert dated.endswith("Z last\n")
    assert dated.startswith("20")
    assert namespace.kubectl("logs", "talker", "--since=1h") == namespace.kubectl("logs", "talker")
