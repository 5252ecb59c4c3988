"""A proxy that spoils a share of what passes between a client and a real server."""

import hashlib
import http.client
import random
import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

BEFORE = ("busy", "busy_for_now", "broken", "unavailable", "wrong_picture")
"""Faults that keep a question from the server."""

AFTER = ("hung_up", "cut_off", "truncated_json", "malformed_json", "other_json", "late")
"""Faults of replies that the server has made, and would charge for."""

RARE = {"late": 0.1}
"""What takes long comes less often."""

STATUS = {"busy": 429, "busy_for_now": 429, "broken": 500, "unavailable": 503}


class Passed:
    """What passed.

    Attributes:
        url: Address of the proxy.
        whole: How often a question's whole reply was given to the client, by question.
        faults: How often each fault was made.
        failed: Whole questions that the server answered with another status than 200.
    """

    def __init__(self):
        self.url = ""
        self.whole, self.faults, self.failed = Counter(), Counter(), Counter()


@contextmanager
def faulty(upstream, *, share=0.2, seed=0, late_s=1.5, faults=(*BEFORE, *AFTER)):
    """Pass requests on to ``upstream``, a share of them spoilt; gives what passed.

    Args:
        upstream: Address of the server, with its path.
        share: Of requests that meet a fault.
        seed: Of drawing faults.
        late_s: How late a late reply comes (seconds).
        faults: Those to draw from.
    """
    target = urlsplit(upstream)
    weights = [RARE.get(fault, 1.0) for fault in faults]
    passed, lock, rng = Passed(), threading.Lock(), random.Random(seed)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self):
            super().setup()
            self.server_behind = http.client.HTTPConnection(target.hostname, target.port)

        def finish(self):
            self.server_behind.close()
            super().finish()

        def ask(self, body):
            kind = {"Content-Type": "application/json"}
            self.server_behind.request("POST", self.path, body, kind)
            reply = self.server_behind.getresponse()
            return reply.status, reply.read()

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                fault = rng.choices(faults, weights)[0] if rng.random() < share else ""
                if fault:
                    passed.faults[fault] += 1
            if fault in STATUS:
                waits = {"busy": "0.05", "unavailable": "0"}
                self.give(STATUS[fault], b'{"error": {"message": "x"}}', waits.get(fault))
                return
            if fault == "wrong_picture":
                body = body.replace(b"base64,iVBOR", b"base64,AAAAA")
            status, reply = self.ask(body)
            if fault == "hung_up":
                self.close_connection = True
                return
            if fault == "late":
                time.sleep(late_s)
            if fault == "truncated_json":
                reply = reply[: len(reply) // 2]
            if fault == "malformed_json":
                reply = b"<html>Bad gateway</html>"
            if fault == "other_json":
                reply = b'{"object": "list", "data": []}'
            whole = not fault and status == 200
            with lock:
                name = hashlib.sha256(body).hexdigest()
                passed.whole[name] += whole
                passed.failed[name] += status != 200
            self.give(status, reply, cut=fault == "cut_off")

        def give(self, status, content, wait=None, *, cut=False):
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                if wait is not None:
                    self.send_header("Retry-After", wait)
                self.end_headers()
                self.wfile.write(content[: len(content) // 2] if cut else content)
                self.close_connection = self.close_connection or cut
            except OSError:  # the client is gone
                self.close_connection = True

        def log_message(self, *_):
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request, client_address):
            """A killed client resets its connections."""

    server = Server(("127.0.0.1", 0), Handler)
    passed.url = f"http://127.0.0.1:{server.server_port}{target.path}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield passed
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
