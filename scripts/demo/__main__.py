"""Release three versions of the sample app: the first one, a better one, a worse one.

    make demo                        on localcluster, which needs nothing but Python
    CLUSTER=kind make demo           on kind (needs Docker, kind and kubectl)
    CONTEXT=… REGISTRY=… make demo   on a cluster of yours (needs Docker and kubectl)

KEEP=1 leaves the cluster as it is at the end. Exits with 0 if everything came as the story has it, 1 if not, 2 if it
could not be played, 130 if interrupted.
"""

import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing to clear away yet: Ctrl-C is simply the end

from scripts.demo.main import main  # noqa: E402 - takes a moment

sys.exit(main())
