"""A small HTTP server that answers as it is told, to see how faults are met. No protocol is mocked:
what a well-behaved server does is tested against a real one."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Said(NamedTuple):
    """One answer: status, body (a text, or what becomes JSON), headers, how much of it is sent."""

    status: int = 200
    body: object = ""
    headers: tuple = ()
    cut: int = 0
    hang_up: bool = False


class Api:
    """What was asked of the server, and where it is.

    Attributes:
        url: Its address, without a path.
        requests: Decoded bodies, in order.
        headers: Headers of the requests, names in lower case.
        paths: Paths of the requests.
    """

    def __init__(self, url):
        self.url = url
        self.requests, self.headers, self.paths = [], [], []


def chat(text, *, finish="stop", tokens=(100, 5), **message):
    """A chat completion of OpenAI's shape."""
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish,
                "message": {"role": "assistant", "content": text, **message},
            }
        ],
        "usage": {
            "prompt_tokens": tokens[0],
            "completion_tokens": tokens[1],
            "total_tokens": sum(tokens),
        },
    }


def pictures_in(request):
    """Pictures of a request of either protocol, in order: their base64."""
    found = []
    for message in request["messages"]:
        for part in message["content"] if isinstance(message["content"], list) else []:
            if part["type"] == "image_url":
                found.append(part["image_url"]["url"].partition(",")[2])
            if part["type"] == "image":
                found.append(part["source"]["data"])
    return found


@contextmanager
def serving(respond):
    """Serve ``respond(number, request) -> Said``; numbers count from 0."""
    api = Api("")
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            content = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                number = len(api.requests)
                api.requests.append(json.loads(content))
                api.headers.append({k.lower(): v for k, v in self.headers.items()})
                api.paths.append(self.path)
            said = respond(number, api.requests[number])
            body = said.body if isinstance(said.body, str) else json.dumps(said.body)
            if said.hang_up:
                self.close_connection = True
                return
            self.send_response(said.status)
            for name, value in (("Content-Type", "application/json"), *said.headers):
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body.encode()) + said.cut))
            self.end_headers()
            self.wfile.write(body.encode())
            if said.cut:  # promised more than is sent
                self.close_connection = True

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
