"""The smallest thing that a pod can be: answers every request with its version and its pod's name."""

import http.server
import os
import pathlib
import signal
import socketserver
import sys
import threading

VERSION = os.environ.get("VERSION", "1")
UNREADY = pathlib.Path("unready")  # a file of this name makes the readiness probe fail


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        code = 503 if self.path == "/readyz" and UNREADY.exists() else 200
        names = self.path.removeprefix("/env/") if self.path.startswith("/env/") else "VERSION,HOSTNAME"
        body = "\n".join(os.environ.get(name, VERSION if name == "VERSION" else "") for name in names.split(","))
        if self.path == "/metrics":
            body = f'requests_total{{custom_status="good",version="{VERSION}"}} 1\n'
        self.send_response(code)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: object) -> None:
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = False
    request_queue_size = 128

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer's own method resolves the host name


def main() -> None:
    server = Server((os.environ.get("HOST", "0.0.0.0"), int(os.environ.get("PORT", "8080"))), Answer)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print("listening", server.server_address, flush=True)
    server.serve_forever(poll_interval=0.05)
    server.server_close()
    print("done", flush=True)
    sys.exit(0)


main()
