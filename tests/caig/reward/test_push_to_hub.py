"""What ``push_to_hub`` sends: a hub on the loopback takes it, and the model is read back."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import huggingface_hub
import pytest
import torch
from mllm_reward import save_base
from transformers.utils import hub

from caig.reward.mllm_model import MllmRewardConfig, MllmRewardModel
from caig.reward.model import SiameseRewardConfig, SiameseRewardModel

NAME = "somebody/reward"


class _Hub(BaseHTTPRequestHandler):
    """The five calls of an upload, as huggingface.co answers them."""

    taken: dict[str, bytes]

    def do_GET(self):
        self._answer(404, {"error": "none"}, {"X-Error-Code": "EntryNotFound"})

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if self.path == "/api/repos/create":
            self._answer(200, {"url": f"https://huggingface.co/{NAME}"})
        elif self.path == "/api/validate-yaml":
            self._answer(200, {"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            self._answer(200, {"files": files})
        elif "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    value = line["value"]
                    self.taken[value["path"]] = base64.b64decode(value["content"])
            self._answer(
                200, {"commitUrl": f"https://huggingface.co/{NAME}/commit/1", "commitOid": "1"}
            )
        else:
            self._answer(404, {"error": self.path})

    def log_message(self, *words):
        """Say nothing."""

    def _answer(self, status, content, headers=None):
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@pytest.fixture
def taken(monkeypatch):
    """What a hub on the loopback was sent, by path."""
    handler = type("Handler", (_Hub,), {"taken": {}})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", url)
        monkeypatch.setattr(
            huggingface_hub.constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            url + "/{repo_id}/resolve/{revision}/{filename}",
        )
        monkeypatch.setattr(hub, "_hf_api", huggingface_hub.HfApi(endpoint=url, token="t"))
        yield handler.taken
        server.shutdown()


def read_back(taken, folder, kind):
    for name, content in taken.items():
        (folder / name).write_bytes(content)
    return kind.from_pretrained(folder, use_safetensors=True)


def test_a_model_over_an_mllm_arrives_with_its_processor(taken, tmp_path):
    base = save_base(tmp_path / "base")
    model = MllmRewardModel.from_base(str(base), MllmRewardConfig(), dtype=torch.float32)
    model.push_to_hub(NAME)
    assert {"model.safetensors", "config.json", "tokenizer.json", "README.md"} <= set(taken)
    again = read_back(taken, tmp_path, MllmRewardModel)
    for name, weight in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], weight), name
    assert again.processor.tokenizer.get_vocab() == model.processor.tokenizer.get_vocab()


def test_a_model_with_a_net_of_its_own_arrives(taken, tmp_path):
    shape = SiameseRewardConfig(kinds=("Mugs",), widths=(16,), look_size=8, image_size=16)
    model = SiameseRewardModel.from_scratch(shape)
    model.push_to_hub(NAME)
    again = read_back(taken, tmp_path, SiameseRewardModel)
    for name, weight in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], weight), name
