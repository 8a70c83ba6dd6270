"""A stand-in for Fortio: sends load from its pod, when it is asked to.

    POST :$PORT/   a JSON list, the command line `/usr/bin/fortio load … URL`; the answer comes when the load has ended

It knows the options that the pipelines use, and answers 400 to others. localcluster has no DNS: the name in the URL is
looked up in the variables that a pod has for each Service.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

MEANING = {"true": True, "false": False}


def seconds(text: str) -> float:
    """Return a duration such as 1m30s in seconds; raises ValueError on another text, and on 0, which is for ever."""
    if not re.fullmatch(r"(\d+m)?(\d+s)?", text) or not text:
        raise ValueError(f"-t {text}: not a duration")
    total = float(sum(int(n) * {"m": 60, "s": 1}[unit] for n, unit in re.findall(r"(\d+)([ms])", text)))
    if not total:
        raise ValueError("-t 0 has no end")
    return total


def command_line() -> argparse.ArgumentParser:
    """Return the parser of `fortio load`."""
    parser = argparse.ArgumentParser(prog="/usr/bin/fortio", allow_abbrev=False, exit_on_error=False)
    parser.add_argument("command", choices=["load"])
    parser.add_argument("-quiet", action="store_true")
    parser.add_argument("-allow-initial-errors", action="store_true")
    parser.add_argument("-keepalive", type=MEANING.__getitem__, default=True)
    parser.add_argument("-qps", type=float, default=8.0)
    parser.add_argument("-t", type=seconds, default=5.0)
    parser.add_argument("url")
    return parser


def load(argv: list[str]) -> str:
    """Send the requests; returns a line per status code, as Fortio does."""
    program, *rest = argv
    if program != "/usr/bin/fortio":
        raise ValueError(f"{program} is not in this image")
    options = command_line().parse_args(rest)
    if options.keepalive:
        raise ValueError("without -keepalive=false the load does not reach all variants")
    url = urlsplit(options.url)
    service = f"{str(url.hostname).upper().replace('-', '_')}_SERVICE"
    address, port = os.environ[f"{service}_HOST"], int(os.environ[f"{service}_PORT"])
    codes: Counter[str] = Counter()
    end, interval = time.monotonic() + options.t, 4 / options.qps

    def send() -> None:
        while time.monotonic() < end:
            began = time.monotonic()
            connection = http.client.HTTPConnection(address, port, timeout=5)
            try:
                connection.request("GET", url.path or "/")
                codes[str(connection.getresponse().status)] += 1
            except OSError:
                codes["-1"] += 1
            finally:
                connection.close()
            time.sleep(max(0.0, began + interval - time.monotonic()))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return "".join(f"Code {code} : {count}\n" for code, count in sorted(codes.items()))


class Server(BaseHTTPRequestHandler):
    """Runs one command per request."""

    def do_POST(self) -> None:
        """Run the command in the body."""
        try:
            text, code = load(json.loads(self.rfile.read(int(self.headers["Content-Length"])))), 200
        except (ValueError, KeyError, argparse.ArgumentError, SystemExit) as error:
            text, code = f"fortio: {type(error).__name__}: {error}\n", 400
        self.send_response(code)
        self.end_headers()
        self.wfile.write(text.encode())


if __name__ == "__main__":
    ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Server).serve_forever()
