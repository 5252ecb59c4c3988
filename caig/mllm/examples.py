"""One training example, and files of them: our own JSONL, and LLaVA's JSON.

Own format, one object a line:

    {"task": "create", "image": "a.png", "turns": ["Write a prompt ..."], "answer": "beach, ...",
     "weighted": "beach"}

``turns`` alternate between user and assistant and end with the user; ``image`` and ``weighted``
may be left out. LLaVA's format is a list of {"id", "image", "conversations": [{"from", "value"}]};
each of its answers becomes one example, with what was said before as its turns.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from caig.errors import DataError, Problem

MAX_PROBLEMS = 5
IMAGE_MARK = "<image>"


class Example(NamedTuple):
    """What is asked, and what is to be answered.

    Attributes:
        task: Name of the task; of any choice for foreign data.
        turns: What was said, from the user's first words to the user's last.
        answer: What is to be answered; empty where an answer is asked for.
        image: Picture shown with the first turn, or None.
        weighted: Beginning of the answer whose loss counts more; empty for none.
    """

    task: str
    turns: tuple[str, ...]
    answer: str
    image: Path | None = None
    weighted: str = ""


def read_examples(path: Path, images: Path | None = None) -> list[Example]:
    """Read a file of examples: JSONL is our own format, JSON is LLaVA's.

    Args:
        path: File that ends in .jsonl or .json.
        images: Folder that image names are relative to; the file's own by default.

    Raises:
        DataError: The file or an entry cannot be read, or a picture is missing.
    """
    folder = images or path.parent
    problems: list[Problem] = []
    found: list[Example] = []
    for where, entry in _entries(path):
        try:
            found += _from_llava(entry, folder) if path.suffix == ".json" else [_own(entry, folder)]
        except ValueError as error:
            problems.append(Problem(where, str(error)))
            if len(problems) == MAX_PROBLEMS:
                break
    if problems:
        raise DataError.from_problems(str(path), problems)
    if not found:
        raise DataError(f"{path}: holds no examples")
    return found


def write_examples(path: Path, examples: list[Example]) -> None:
    """Write examples in our own format, image paths as they are."""
    lines = []
    for example in examples:
        entry: dict[str, Any] = {"task": example.task}
        if example.image is not None:
            entry["image"] = str(example.image)
        entry |= {"turns": list(example.turns), "answer": example.answer}
        if example.weighted:
            entry["weighted"] = example.weighted
        lines.append(json.dumps(entry, ensure_ascii=False) + "\n")
    path.write_text("".join(lines), encoding="utf-8")


def _entries(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            content = json.loads(text)
            if not isinstance(content, list):
                raise DataError(f"{path}: must be a list of conversations, as LLaVA's files are")
            yield from ((f"entry {n}", entry) for n, entry in enumerate(content, start=1))
            return
        for n, line in enumerate(text.splitlines(), start=1):
            if line.strip():
                yield f"line {n}", json.loads(line)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: not valid JSON: {error}") from None


def _own(entry: Any, folder: Path) -> Example:
    known = {"task", "turns", "answer", "image", "weighted"}
    if not isinstance(entry, dict):
        raise ValueError("is no object")
    if superfluous := sorted(set(entry) - known):
        raise ValueError(f"unknown key '{superfluous[0]}'; keys are {', '.join(sorted(known))}")
    turns, answer = entry.get("turns"), entry.get("answer")
    if not (isinstance(turns, list) and turns and all(isinstance(turn, str) for turn in turns)):
        raise ValueError("turns must be a list of at least one text")
    if len(turns) % 2 == 0:
        raise ValueError("turns must end with the user's: their number is odd")
    weighted = entry.get("weighted", "")
    if not (isinstance(answer, str) and answer):
        raise ValueError("answer must be a text")
    if not (isinstance(weighted, str) and answer.startswith(weighted)):
        raise ValueError(f"answer does not begin with weighted ({weighted!r})")
    image = _picture(entry.get("image"), folder)
    return Example(str(entry.get("task", "own")), tuple(turns), answer, image, weighted)


def _from_llava(entry: Any, folder: Path) -> list[Example]:
    rounds = entry.get("conversations") if isinstance(entry, dict) else None
    if not isinstance(rounds, list) or len(rounds) < 2 or len(rounds) % 2:
        raise ValueError("conversations must alternate between human and gpt, and end with gpt")
    said: list[str] = []
    for n, turn in enumerate(rounds):
        speaker = "gpt" if n % 2 else "human"
        if not isinstance(turn, dict) or turn.get("from") != speaker:
            raise ValueError(f"turn {n + 1} of the conversation must be from {speaker}")
        said.append(str(turn.get("value", "")).replace(IMAGE_MARK, "").strip())
    image = _picture(entry.get("image"), folder)
    return [
        Example("own", tuple(said[:n]), said[n], image) for n in range(1, len(said), 2) if said[n]
    ]


def _picture(name: Any, folder: Path) -> Path | None:
    if name is None:
        return None
    path = folder / str(name)
    if not path.resolve().is_relative_to(folder.resolve()) and not Path(str(name)).is_absolute():
        raise ValueError(f"image '{name}' lies outside {folder}")
    if not path.is_file():
        raise ValueError(f"image '{name}' is missing in {folder}")
    return path
