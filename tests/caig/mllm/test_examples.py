"""Files of examples: our own JSONL and LLaVA's JSON, and what is wrong with them."""

import json

import pytest

from caig.errors import DataError
from caig.mllm.config import ALL_TASKS, TasksConfig
from caig.mllm.examples import Example, read_examples, write_examples
from caig.mllm.tasks import draw_examples


def test_examples_are_read_back_as_written(tmp_path, corpus):
    examples = list(draw_examples(corpus, TasksConfig(), ALL_TASKS, n=40, seed=0))
    write_examples(tmp_path / "a.jsonl", examples)
    assert read_examples(tmp_path / "a.jsonl") == examples


def test_llava_conversations_become_one_example_an_answer(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    conversation = [
        {"from": "human", "value": "<image>\nWhat is it?"},
        {"from": "gpt", "value": "A mug."},
        {"from": "human", "value": "Where?"},
        {"from": "gpt", "value": "In a kitchen."},
    ]
    entries = [
        {"id": "1", "image": "a.png", "conversations": conversation},
        {"id": "2", "conversations": conversation[2:]},
    ]
    (tmp_path / "l.json").write_text(json.dumps(entries))
    picture = tmp_path / "a.png"
    assert read_examples(tmp_path / "l.json") == [
        Example("own", ("What is it?",), "A mug.", picture),
        Example("own", ("What is it?", "A mug.", "Where?"), "In a kitchen.", picture),
        Example("own", ("Where?",), "In a kitchen.", None),
    ]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"turns": ["a"], "answer": "b", "imagee": "x"}, "unknown key 'imagee'"),
        ({"turns": [], "answer": "b"}, "at least one text"),
        ({"turns": ["a", "b"], "answer": "b"}, "their number is odd"),
        ({"turns": ["a"], "answer": ""}, "answer must be a text"),
        ({"turns": ["a"], "answer": "b", "weighted": "c"}, "does not begin with weighted"),
        ({"turns": ["a"], "answer": "b", "image": "no.png"}, "image 'no.png' is missing"),
        ({"turns": ["a"], "answer": "b", "image": "../x.png"}, "lies outside"),
        (["a"], "is no object"),
    ],
)
def test_a_wrong_entry_is_named_with_its_line(tmp_path, entry, message):
    good = json.dumps({"turns": ["a"], "answer": "b"})
    (tmp_path / "e.jsonl").write_text(f"{good}\n\n{json.dumps(entry)}\n")
    with pytest.raises(DataError, match=r"(?s)e\.jsonl: 1 problem.*line 3: .*" + message):
        read_examples(tmp_path / "e.jsonl")


@pytest.mark.parametrize(
    ("conversations", "message"),
    [
        ([{"from": "human", "value": "a"}], "must alternate"),
        ([{"from": "gpt", "value": "a"}, {"from": "human", "value": "b"}], "must be from human"),
        (None, "must alternate"),
    ],
)
def test_a_wrong_conversation_is_named(tmp_path, conversations, message):
    (tmp_path / "l.json").write_text(json.dumps([{"conversations": conversations}]))
    with pytest.raises(DataError, match=f"entry 1: .*{message}"):
        read_examples(tmp_path / "l.json")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b"{}", "must be a list"),
        ("a.json", b"[", "not valid JSON"),
        ("a.jsonl", b"\xff", "not UTF-8"),
        ("a.jsonl", b"\n", "holds no examples"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_examples(tmp_path / name)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        read_examples(tmp_path / "none.jsonl")
