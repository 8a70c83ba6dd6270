"""Release three versions of the sample app: the first one, a better one, a worse one.

    make demo                        on localcluster, which needs nothing but Python
    CLUSTER=kind make demo           on kind (needs Docker, kind and kubectl)
    CONTEXT=… REGISTRY=… make demo   on a cluster of yours (needs Docker and kubectl)

TRAFFIC=gateway gives the canary 5 % of the requests by an HTTPRoute, on localcluster with a real Traefik.

GATE=console lets you decide on the better and on the worse version, in the console whose address it prints. KEEP=1
keeps cluster and console at the end. The reports stay in canary-reports/.

Exit codes: 0 all went as expected, 1 something did not, 2 the demo could not run, 130 interrupted.
"""

import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing to clean up yet, so Ctrl-C simply ends it

from scripts.demo.main import main  # noqa: E402 - takes a moment

sys.exit(main())
