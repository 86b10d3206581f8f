"""What each kind of server is sent."""

import pytest

from everruns.domain.controls import AnswerControls
from everruns.domain.messages import (
    ImagePart,
    ThinkingBlock,
    ToolCallPart,
    ToolResultPart,
)
from everruns.domain.tools import ToolDefinition
from everruns.domain.transcript import IMAGE_LEFT_OUT
from everruns.providers.chat_request import completion_body
from everruns.providers.concessions import Attempt
from everruns.providers.dialects import DEFAULT, DIALECTS, dialect_at
from tests.odd_images import PIXEL

NOW = ToolDefinition(name="now", description="Tell it.", parameters={})
CALL = ToolCallPart(id="functions.now:0", name="now")
RESULT = ToolResultPart(tool_call_id=CALL.id, result="noon")
THOUGHT = ThinkingBlock(thinking="Hm", field="reasoning_content")
OWN, SIBLING, FOREIGN = "fake/m", "fake/another", "elsewhere/m"


@pytest.mark.parametrize(
    ("base_url", "dialect"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://eu.api.openai.com/v1", "openai"),
        ("https://mine.openai.azure.com/openai/v1", "azure"),
        ("https://generativelanguage.googleapis.com/v1beta/openai", "gemini"),
        ("https://us-central1-aiplatform.googleapis.com/v1/x/openapi", "gemini"),
        ("https://api.mistral.ai/v1", "mistral"),
        ("https://api.deepseek.com", "deepseek"),
        ("https://api.moonshot.cn/v1", "moonshot"),
        ("https://api.x.ai/v1", "xai"),
        ("https://api.groq.com/openai/v1", "groq"),
        ("https://api.together.xyz/v1", "together"),
        ("https://api.fireworks.ai/inference/v1", "fireworks"),
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1", "bedrock"),
        ("http://gateway:4000", "litellm"),
        ("http://10.0.0.7:8000/v1", "vllm"),
        ("http://localhost:30000/v1", "sglang"),
        ("http://localhost:8080/v1", "llama.cpp"),
        ("http://localhost:11434/v1", "ollama"),
        ("http://localhost:1234/v1", "lmstudio"),
        ("https://api.openai.com.example.test/v1", DEFAULT),
        ("https://models.example.test/v1", DEFAULT),
        ("http://[::1]:99999/v1", DEFAULT),
    ],
)
def test_a_dialect_is_known_by_its_address(base_url, dialect):
    assert dialect_at(base_url) == dialect


@pytest.fixture
def body(ask):
    """Return what a server of a dialect is sent."""

    def build(dialect, *messages, **fields):
        return completion_body(Attempt(ask("m", *messages, **fields)), DIALECTS[dialect])

    return build


@pytest.fixture
def history(say):
    """Return a conversation in which a model called a tool in this turn."""

    def build(model, thoughts=(THOUGHT,)):
        called = say("agent", CALL, thoughts=thoughts).model_copy(update={"model": model})
        return say("user", "what time is it?"), called, say("tool_result", RESULT)

    return build


def answer_in(body):
    return next(message for message in body["messages"] if message["role"] == "assistant")


@pytest.mark.parametrize(
    ("dialect", "sent"),
    [
        (DEFAULT, {"temperature": 0.5, "max_tokens": 9, "stop": ["x"], "seed": 7}),
        ("openai", {"temperature": 0.5, "max_completion_tokens": 9, "stop": ["x"], "seed": 7}),
        ("mistral", {"temperature": 0.5, "max_tokens": 9, "stop": ["x"], "random_seed": 7}),
        ("gemini", {"temperature": 0.5, "max_tokens": 9, "stop": ["x"]}),
    ],
)
def test_controls_have_the_names_that_the_server_knows(body, dialect, sent):
    controls = AnswerControls(temperature=0.5, max_output_tokens=9, stop=["x"], seed=7)

    built = body(dialect, controls=controls)

    known = {"model", "messages", "stream", "stream_options"}
    assert {name: value for name, value in built.items() if name not in known} == sent


@pytest.mark.parametrize(
    ("dialect", "effort", "sent"),
    [
        (DEFAULT, "high", {"reasoning_effort": "high"}),
        ("openrouter", "high", {"reasoning": {"effort": "high"}}),
        ("deepseek", "none", {"thinking": {"type": "disabled"}}),
        ("deepseek", "xhigh", {"thinking": {"type": "enabled"}, "reasoning_effort": "max"}),
        ("moonshot", "high", {"thinking": {"type": "enabled"}}),
        ("mistral", "low", {"reasoning_effort": "none"}),
        ("groq", "xhigh", {"reasoning_effort": "high"}),
    ],
)
def test_effort_has_the_words_that_the_server_knows(body, dialect, effort, sent):
    built = body(dialect, effort=effort)

    assert sent.items() <= built.items()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_refused_fields_are_never_sent(body, dialect):
    built = body(dialect, tools=[NOW], parallel_tool_calls=True)

    assert not built.keys() & DIALECTS[dialect].omitted


@pytest.mark.parametrize(
    ("dialect", "model", "reasoning"),
    [
        (DEFAULT, OWN, "Hm"),
        (DEFAULT, FOREIGN, None),
        ("vllm", OWN, "Hm"),
        ("deepseek", OWN, "Hm"),
        ("deepseek", SIBLING, "Hm"),
        ("deepseek", FOREIGN, ""),
        ("litellm", OWN, "Hm"),
        ("litellm", SIBLING, None),
        ("moonshot", FOREIGN, " "),
        ("groq", OWN, None),
        ("mistral", OWN, None),
        ("openai", OWN, None),
    ],
)
def test_reasoning_goes_back_within_the_turn_where_it_is_wanted(
    body, history, dialect, model, reasoning
):
    sent = answer_in(body(dialect, *history(model)))

    assert sent.get("reasoning_content") == reasoning


@pytest.mark.parametrize(
    ("dialect", "reasoning"), [(DEFAULT, None), ("deepseek", "Hm"), ("moonshot", "Hm")]
)
def test_reasoning_of_earlier_turns_goes_back_only_where_it_must(
    body, history, say, dialect, reasoning
):
    sent = answer_in(body(dialect, *history(OWN), say("agent", "Noon."), say("user", "thanks")))

    assert sent.get("reasoning_content") == reasoning


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content", "reasoning_text"])
def test_reasoning_goes_back_under_the_name_it_came_under(body, history, field):
    thought = ThinkingBlock(thinking="Hm", field=field)

    assert answer_in(body(DEFAULT, *history(OWN, [thought])))[field] == "Hm"


def test_reasoning_in_a_servers_own_form_goes_back_as_it_came(body, history):
    details = [{"type": "reasoning.encrypted", "data": "sealed", "index": 0}]
    thoughts = [
        ThinkingBlock(thinking="Hm", field="reasoning"),
        ThinkingBlock(item={"reasoning_details": details, "role": "system"}),
    ]

    sent = answer_in(body("openrouter", *history(OWN, thoughts)))

    assert sent["reasoning_details"] == details
    assert "reasoning" not in sent
    assert sent["role"] == "assistant"


def test_a_signature_goes_back_with_its_call(body, history):
    extra = {"extra_content": {"google": {"thought_signature": "sealed"}}}

    sent = answer_in(body("gemini", *history(OWN, [ThinkingBlock(item=extra, on_call=0)])))

    assert sent["tool_calls"][0]["extra_content"] == extra["extra_content"]


def test_gemini_takes_calls_of_other_models_with_a_word_in_place_of_a_signature(body, history):
    (call,) = answer_in(body("gemini", *history(FOREIGN)))["tool_calls"]

    word = call["extra_content"]["google"]["thought_signature"]
    assert word == "skip_thought_signature_validator"


def test_ids_of_the_models_own_are_kept(body, history):
    messages = body(DEFAULT, *history(OWN))["messages"]

    assert messages[1]["tool_calls"][0]["id"] == messages[2]["tool_call_id"] == CALL.id


def test_an_id_of_the_models_own_is_kept_in_whatever_form(body, say):
    # LiteLLM hides Gemini's signatures in ids.
    identity = f"call_1__thought__{'A' * 80}+/=="
    agent = say("agent", ToolCallPart(id=identity, name="add")).model_copy(update={"model": OWN})
    result = say("tool_result", ToolResultPart(tool_call_id=identity, result=1))
    messages = body("litellm", say("user", "hi"), agent, result)["messages"]

    assert messages[1]["tool_calls"][0]["id"] == messages[2]["tool_call_id"] == identity


@pytest.mark.parametrize("model", [OWN, None])
def test_mistral_is_sent_no_id_that_it_cannot_have_made(body, history, model):
    messages = body("mistral", *history(model))["messages"]

    identity = messages[1]["tool_calls"][0]["id"]
    assert identity == messages[2]["tool_call_id"]
    assert len(identity) == 9
    assert identity.isalnum()


def test_gemini_takes_calls_of_older_logs(body, history):
    (call,) = answer_in(body("gemini", *history(None)))["tool_calls"]

    assert "extra_content" in call


@pytest.mark.parametrize("model", [SIBLING, FOREIGN])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_other_ids_become_nine_letters_and_digits(body, history, dialect, model):
    messages = body(dialect, *history(model))["messages"]

    identity = messages[1]["tool_calls"][0]["id"]
    assert identity == messages[2]["tool_call_id"]
    assert len(identity) == 9
    assert identity.isalnum()


def test_messages_of_the_user_in_a_row_become_one(body, say):
    image = ImagePart(base64=PIXEL, media_type="image/png")

    (one,) = body(DEFAULT, say("user", "a"), say("user", "b"))["messages"]
    (two,) = body(DEFAULT, say("user", "a"), say("user", image))["messages"]

    assert one["content"] == "a\n\nb"
    assert [part["type"] for part in two["content"]] == ["text", "image_url"]


def test_mistral_gets_an_answer_between_results_and_a_user(body, history, say):
    messages = body("mistral", *history(OWN), say("user", "in words"))["messages"]

    assert [message["role"] for message in messages[-3:]] == ["tool", "assistant", "user"]


@pytest.mark.parametrize(
    ("dialect", "by_url", "by_content"),
    [(DEFAULT, True, True), ("ollama", False, True), ("deepseek", False, False)],
)
def test_images_go_to_servers_that_take_them(body, say, dialect, by_url, by_content):
    images = [
        ImagePart(url="https://x.test/a.png"),
        ImagePart(base64=PIXEL, media_type="image/png"),
    ]

    sent = [body(dialect, say("user", "see", image))["messages"][0] for image in images]

    assert ["image_url" in str(message) for message in sent] == [by_url, by_content]
    assert [IMAGE_LEFT_OUT in str(message) for message in sent] == [not by_url, not by_content]
