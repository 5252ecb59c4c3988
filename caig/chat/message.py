"""What one question to a model is, and what came of one attempt to ask it."""

import base64
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

Status = Literal["reply", "truncated", "refused", "error"]

JsonShape = Literal["json_schema", "json_object_schema", "json_object"]
"""How a server is asked for JSON: OpenAI's shape of today, one that puts the schema beside
``json_object``, or ``json_object`` without a schema. Anthropic knows the first alone."""

NO_CONTENT: Mapping[str, Any] = {}


class Picture(NamedTuple):
    """An encoded picture.

    Attributes:
        media_type: E.g. "image/png".
        content: The file.
    """

    media_type: str
    content: bytes

    @property
    def base64(self) -> str:
        """The file in base64."""
        return base64.b64encode(self.content).decode()


class Request(NamedTuple):
    """One question.

    Attributes:
        system: What the model is told beforehand.
        question: What it is asked, after the pictures.
        pictures: Pictures, in order.
        max_tokens: Bound of the reply (tokens).
        temperature: Of sampling; None sends none, for models that refuse to be told.
        top_logprobs: Likeliest first tokens to be told (count); 0 asks for none.
        schema: JSON schema of the reply; None asks for text.
        shape: How a schema is asked for.
        extra_body: More fields of the request, as the provider names them.
        timeout_s: Time an attempt may take (seconds).
    """

    system: str
    question: str
    pictures: tuple[Picture, ...] = ()
    max_tokens: int = 64
    temperature: float | None = 0.0
    top_logprobs: int = 0
    schema: Mapping[str, Any] | None = None
    shape: JsonShape = "json_schema"
    extra_body: Mapping[str, Any] = NO_CONTENT
    timeout_s: float = 60.0


class TokenLogprob(NamedTuple):
    """A token that might have come first.

    Attributes:
        token: Its text.
        logprob: Logarithm of its probability (nats).
    """

    token: str
    logprob: float


class Reply(NamedTuple):
    """What came of one attempt.

    Attributes:
        status: reply; truncated (its bound was met); refused by the model; error.
        text: The reply, untrusted; empty unless there is one.
        detail: Kind and status of the error, or the reason of the refusal. Never the server's own
            words, which may quote keys.
        input_tokens: Tokens read (count); None if not told.
        output_tokens: Tokens written (count); None if not told.
        http_status: Of the answer; None if none came.
        retry_after_s: How long the server asks to wait (seconds); None if it does not.
        first_token: Likeliest first tokens, in no order; None if not told.
    """

    status: Status
    text: str = ""
    detail: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    http_status: int | None = None
    retry_after_s: float | None = None
    first_token: tuple[TokenLogprob, ...] | None = None


Chat = Callable[[Request], Reply]
"""Makes one attempt; safe to call from several threads."""
