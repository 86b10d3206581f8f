"""The usage of an interrupted model call.

A provider bills what the model has read and written so far, but few report it. Reported counts are
used; the rest is estimated.

Source: docs/contract.md, "Turns".
"""

from everruns.domain.token_estimates import (
    BYTES_OF_A_TOKEN,
    conversation_tokens,
    instruction_tokens,
)
from everruns.domain.usage import Usage
from everruns.providers.catalogue import priced
from everruns.runtime.feed.draft import Draft


def unfinished_usage(draft: Draft) -> Usage | None:
    """Return the known or estimated usage of an interrupted call.

    Returns:
        The usage with its price; ``None`` if the model had not started to answer.
    """
    reported, request = draft.reported, draft.request
    if request is None or (reported is None and draft.is_empty):
        return None
    reported = reported or Usage()
    read = instruction_tokens(request.system_prompt, request.tools) + conversation_tokens(
        request.messages
    )
    # Counted in characters: a draft that is being written keeps no count of its bytes.
    written = -(-(draft.text.length + draft.reasoning.length) // BYTES_OF_A_TOKEN)
    usage = reported.model_copy(
        update={
            "input_tokens": reported.input_tokens or read,
            "output_tokens": max(reported.output_tokens, written),
        }
    )
    return priced(usage, request.model.profile)
