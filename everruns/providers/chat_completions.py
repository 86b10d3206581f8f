"""The driver of Chat Completions, the protocol of OpenAI, Azure and many compatible servers.

Source: https://platform.openai.com/docs/api-reference/chat.
"""

from typing import Any

from everruns.providers.base import ModelRequest
from everruns.providers.chat_answer import ChatAnswer
from everruns.providers.chat_request import completion_body
from everruns.providers.concessions import Attempt
from everruns.providers.dialects import DEFAULT, DIALECTS, Dialect
from everruns.providers.http import Wire
from everruns.providers.streaming import StreamingDriver

DEFAULT_BASE_URL = "https://api.openai.com/v1"
COMPLETIONS_PATH = "/chat/completions"


class ChatCompletionsDriver(StreamingDriver):
    """Speaks Chat Completions.

    Args:
        wire: The address and the key.
        dialect: What the server wants.
        path: Path of the completions; ``{model}`` stands for the model's name.
        amendments: See ``StreamingDriver``.
    """

    def __init__(
        self,
        wire: Wire,
        dialect: Dialect = DIALECTS[DEFAULT],
        path: str = COMPLETIONS_PATH,
        **amendments: Any,
    ) -> None:
        super().__init__(wire, **amendments)
        self._dialect = dialect
        self.path = path
        self.output_rules = dialect.output
        self.image_limits = dialect.image_limits

    def _body(self, attempt: Attempt) -> dict[str, Any]:
        return completion_body(attempt, self._dialect)

    def _answer(self, request: ModelRequest) -> ChatAnswer:
        return ChatAnswer(self._wire, request, self._dialect.tools)
