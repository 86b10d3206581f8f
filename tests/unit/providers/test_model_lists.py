"""Providers' lists of models, in the forms that they have."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everruns.domain.llm import ModelCost, ModelLimits, ModelProfile
from everruns.providers.model_lists import MAX_LISTED_MODELS, is_clearly_chat, read_model_list


def names(answer: Any) -> list[str]:
    return [model.model_id for model in read_model_list(answer)]


def profile(entry: dict[str, Any]) -> ModelProfile:
    (model,) = read_model_list({"data": [{"id": "m", **entry}]})
    return model.profile


@pytest.mark.parametrize(
    "answer",
    [
        {"object": "list", "data": [{"id": "b"}, {"id": "a"}]},
        [{"id": "b"}, {"id": "a", "type": "chat"}],
        ["b", "a"],
        {"models": [{"name": "b", "model": "b"}, {"name": "a"}]},
        {"models": [{"name": "models/b", "supportedGenerationMethods": ["generateContent"]}, "a"]},
        {"data": [{"id": "models/b"}, {"id": "models/a"}]},
        {"data": [{"id": "b"}, {"id": "a"}], "models": [{"name": "c"}]},
        {"models": [{"key": "b", "type": "llm"}, {"key": "a", "type": "vlm"}]},
    ],
    ids=["openai", "together", "names", "ollama", "gemini", "prefix", "llama.cpp", "lm studio"],
)
def test_every_form_of_list_is_read_in_its_order(answer):
    assert names(answer) == ["b", "a"]


@pytest.mark.parametrize(
    "entry",
    [
        {"type": "embedding"},
        {"type": "image"},
        {"type": "embeddings"},
        {"capabilities": {"type": "embeddings"}},
        {"capabilities": {"completion_chat": False, "fine_tuning": True}},
        {"capabilities": {"chat_completion": False, "embeddings": True}},
        {"architecture": {"output_modalities": ["image"]}},
        {"supportedGenerationMethods": ["embedContent"]},
        {"endpoints": ["embed"]},
        {"supports_chat": False},
        {"active": False},
    ],
)
def test_what_declares_itself_not_to_be_for_chat_is_left_out(entry):
    assert names([{"id": "m", **entry}, {"id": "other"}]) == ["other"]


@pytest.mark.parametrize(
    "entry",
    [
        {"type": "chat"},
        {"type": "language"},
        {"type": "model"},
        {"type": "llm"},
        {"capabilities": {"completion_chat": True}},
        {"architecture": {"output_modalities": ["text", "image"]}},
        {"endpoints": ["chat", "classify"]},
        {"active": True},
        {"object": "model", "owned_by": "me"},
    ],
)
def test_everything_else_is_taken_for_a_chat_model(entry):
    assert names([{"id": "m", **entry}]) == ["m"]


@pytest.mark.parametrize(
    "name",
    [
        "text-embedding-3-small",
        "nomic-embed-text:latest",
        "Qwen/Qwen3-Embedding-0.6B",
        "BAAI/bge-m3",
        "whisper-large-v3",
        "tts-1-hd",
        "gpt-4o-mini-tts",
        "gpt-4o-transcribe",
        "omni-moderation-latest",
        "Salesforce/rerank-v2",
        "dall-e-3",
        "gpt-image-1",
    ],
)
def test_a_clear_name_leaves_a_model_out(name):
    assert names([{"id": name}]) == []
    assert names([{"id": name, "type": "chat"}]) == [name]


@pytest.mark.parametrize("name", ["llama3.2:latest", "embers-7b", "mistral-small", "ttsx", "gpt-5"])
def test_other_names_tell_nothing(name):
    assert names([{"id": name}]) == [name]


@pytest.mark.parametrize(
    ("entry", "context", "output"),
    [
        ({"context_window": 131072, "max_completion_tokens": 32768}, 131072, 32768),
        ({"max_model_len": 8192}, 8192, None),
        ({"max_context_length": "32768"}, 32768, None),
        ({"context_length": 4096}, 4096, None),
        (
            {
                "context_length": 400000,
                "top_provider": {"context_length": 200000, "max_completion_tokens": 64000},
            },
            200000,
            64000,
        ),
        ({"meta": {"n_ctx_train": 40960}}, 40960, None),
        ({"max_input_tokens": 200000, "max_tokens": 64000}, 200000, 64000),
        (
            {
                "capabilities": {
                    "limits": {"max_context_window_tokens": 128000, "max_output_tokens": 4096}
                }
            },
            128000,
            4096,
        ),
        ({"context_window": None, "max_model_len": 10}, 10, None),
    ],
)
def test_limits_are_read_under_the_names_that_they_have(entry, context, output):
    assert profile(entry).limits == ModelLimits(context=context, output=output)


@pytest.mark.parametrize(
    ("pricing", "cost"),
    [
        (
            {"prompt": "0.0000025", "completion": "0.00001", "input_cache_read": "0.00000125"},
            ModelCost(input=2.5, output=10, cache_read=1.25),
        ),
        ({"input": 0.88, "output": 0.9, "hourly": 0}, ModelCost(input=0.88, output=0.9)),
        (
            {"input": "0.000003", "output": "0.000015", "input_cache_write": "0.00000375"},
            ModelCost(input=3, output=15, cache_write=3.75),
        ),
        ({"prompt": "0", "completion": "0"}, ModelCost(input=0, output=0)),
        ({"prompt": "-1", "completion": "-1"}, None),
        ({"prompt": "cheap", "completion": None}, None),
        ({"input": 1e300, "output": 1}, None),
        ({"input": True, "output": 1}, None),
    ],
)
def test_prices_are_dollars_per_million_tokens(pricing, cost):
    assert profile({"pricing": pricing}).cost == cost


def test_abilities_are_known_only_where_they_are_listed():
    silent = profile({})
    assert [silent.tool_call, silent.reasoning, silent.attachment] == [None, None, None]

    router = profile(
        {
            "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
            "supported_parameters": ["tools", "temperature"],
        }
    )
    assert [router.tool_call, router.reasoning, router.attachment] == [True, False, False]

    mistral = profile({"capabilities": {"completion_chat": True, "vision": True}})
    assert [mistral.tool_call, mistral.attachment] == [None, True]

    llama_cpp = profile({"capabilities": ["completion"]})
    assert llama_cpp.tool_call is None


def test_a_list_without_end_is_cut():
    listed = names([{"id": f"m{number}"} for number in range(3000)] + [{"id": "m1"}])

    assert len(listed) == MAX_LISTED_MODELS


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "active",
                    "architecture",
                    "capabilities",
                    "context_length",
                    "data",
                    "id",
                    "limits",
                    "models",
                    "name",
                    "output_modalities",
                    "pricing",
                    "prompt",
                    "supported_parameters",
                    "top_provider",
                    "type",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=30,
)


@given(JSON)
def test_no_value_breaks_the_reading(answer):
    for model in read_model_list(answer):
        assert 0 < len(model.model_id) <= 256
        assert ModelProfile.model_validate(model.profile.model_dump()) == model.profile


@pytest.mark.parametrize(
    ("provider_type", "name", "is_chat"),
    [
        ("openai", "gpt-6.2", True),
        ("openai", "o4-mini-2025-04-16", True),
        ("openai", "ft:gpt-5-mini:acme::abc", True),
        ("openai", "gpt-4o-realtime-preview", False),
        ("openai", "gpt-3.5-turbo-instruct", False),
        ("openai", "gpt-audio", False),
        ("openai", "babbage-002", False),
        ("anthropic", "claude-next", True),
        ("azure_openai", "gpt-5", False),
    ],
)
def test_of_a_vendors_models_only_what_is_clearly_for_chat_is_added(provider_type, name, is_chat):
    assert is_clearly_chat(provider_type, name) is is_chat
