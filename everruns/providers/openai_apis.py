"""OpenAI's two APIs behind one address."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from everruns.providers.base import ModelChunk, ModelRequest
from everruns.providers.catalogue import api_of
from everruns.providers.chat_completions import ChatCompletionsDriver
from everruns.providers.model_lists import ListedModel
from everruns.providers.responses import ResponsesDriver


@dataclass(frozen=True)
class OpenAIApis:
    """Asks each model by the API that the catalogue names for it.

    Attributes:
        chat: Speaks Chat Completions.
        responses: Speaks the Responses API at the same address.
    """

    chat: ChatCompletionsDriver
    responses: ResponsesDriver

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelChunk, None]:
        """Call the model once. See ``Driver``."""
        model = request.model
        if api_of(model.provider_type, model.model_id) == "responses":
            return self.responses.stream(request)
        return self.chat.stream(request)

    async def list_models(self) -> Sequence[ListedModel]:
        """Return the chat models that the account has. See ``Driver``."""
        return await self.chat.list_models()
