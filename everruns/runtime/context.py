"""The context of a turn: its model, system prompt and tools."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from everruns.capabilities.base import Capabilities
from everruns.capabilities.registry import build_toolbox, resolve, system_prompts
from everruns.capabilities.tool_approval import TOOL_APPROVAL
from everruns.domain.agents import CapabilityConfig
from everruns.domain.approvals import ApprovalRule
from everruns.domain.controls import AnswerControls, Controls, effective_controls
from everruns.domain.llm import OfferedModel, ProviderAccount, resolve_model
from everruns.domain.sessions import Session
from everruns.domain.state import SessionState
from everruns.domain.tools import ToolCall, ToolDefinition
from everruns.domain.transcript import build_transcript
from everruns.errors import NoModel, UnknownModel
from everruns.providers.base import ModelRequest
from everruns.providers.controls import check_controls
from everruns.registry.registry import Configuration
from everruns.settings import Settings
from everruns.tools.toolbox import Toolbox


@dataclass(frozen=True)
class TurnContext:
    """Everything that one step of a turn depends on besides the conversation itself.

    Attributes:
        model: The model that answers.
        account: Its provider, with the key.
        system_prompt: The prompts of agent and session, then those of their capabilities.
        toolbox: The tools of their capabilities.
        client_tools: The client-side tools, by name; tools of the toolbox take precedence.
        approval: Which calls require the user's approval.
        client_tool_timeout_s: Seconds that a turn waits for a client's results.
        max_iterations: Maximum model calls of the turn.
        parallel_tool_calls: Whether one step may run several calls; ``None`` if unspecified.
        controls: Options for the answers.
    """

    model: OfferedModel
    account: ProviderAccount
    system_prompt: str
    toolbox: Toolbox
    client_tools: Mapping[str, ToolDefinition]
    approval: ApprovalRule
    client_tool_timeout_s: float
    max_iterations: int
    parallel_tool_calls: bool | None
    controls: AnswerControls

    def needs_approval(self, call: ToolCall) -> bool:
        """Tell whether a call is held until the user allows it."""
        tool = self.toolbox.find(call.name)
        if tool is None or self.approval.mode == "off":
            return False
        if self.approval.mode == "protective":
            return not tool.repeatable
        return tool.destructive or tool.definition.policy == "requires_approval"

    def patience_s(self, call: ToolCall) -> float | None:
        """Return the timeout of a call that is answered from outside; ``None`` if it runs here."""
        if tool := self.toolbox.asked(call):
            return tool.timeout_s
        return self.client_tool_timeout_s if call.name in self.client_tools else None

    def request(self, state: SessionState) -> ModelRequest:
        """Return the model call that continues the conversation."""
        name = self.model.qualified_name
        refused = {said for said, model in state.without_images.items() if model == name}
        return ModelRequest(
            model=self.model,
            system_prompt=self.system_prompt,
            messages=build_transcript(state.history, state.unread, refused),
            tools=[*self.toolbox.definitions, *self.client_tools.values()],
            controls=self.controls,
            parallel_tool_calls=self.parallel_tool_calls,
        )


def turn_context(
    session: Session,
    state: SessionState,
    configuration: Configuration,
    capabilities: Capabilities,
    settings: Settings,
) -> TurnContext:
    """Build the context of a session's next step.

    Args:
        session: The session.
        state: Its conversation; the newest user message may name the model.
        configuration: Its agent and all providers.
        capabilities: All known capabilities.
        settings: The deployment's limits.

    Raises:
        NoModel: No offered model is named, and there is no default.
        InvalidRequest: The model does not take one of the controls.
    """
    agent = configuration.agent
    wanted = _wanted_controls(state)
    model, missing = _resolve(session, configuration, wanted)
    if model is None:
        raise _no_model(missing)
    account = configuration.account_of(model)
    controls = _effective(session, configuration, wanted)
    check_controls(account.provider, model, controls)
    used = resolve(_usable(session, configuration, capabilities), capabilities)
    prompts = [
        agent.system_prompt if agent else None,
        session.system_prompt,
        *system_prompts(used),
    ]
    toolbox = build_toolbox(used, settings.tool_timeout_s)
    parallel = session.parallel_tool_calls
    if parallel is None and agent:
        parallel = agent.parallel_tool_calls
    return TurnContext(
        model=model,
        account=account,
        system_prompt="\n\n".join(prompt for prompt in prompts if prompt),
        toolbox=toolbox,
        client_tools=_client_tools([*session.tools, *(agent.tools if agent else [])], toolbox),
        approval=next(
            (ApprovalRule.of(config) for known, config in used if known.id == TOOL_APPROVAL.id),
            ApprovalRule(),
        ),
        client_tool_timeout_s=settings.client_tool_timeout_s,
        max_iterations=session.max_iterations
        or (agent.max_iterations if agent else None)
        or settings.max_iterations,
        parallel_tool_calls=parallel,
        controls=controls,
    )


def _client_tools(
    tools: Sequence[ToolDefinition], toolbox: Toolbox
) -> Mapping[str, ToolDefinition]:
    """Return tools by name; of several with one name the first wins, the session's first."""
    found: dict[str, ToolDefinition] = {}
    for tool in tools:
        if toolbox.find(tool.name) is None:
            found.setdefault(tool.name, tool)
    return found


def check_wanted(session: Session, configuration: Configuration, wanted: Controls) -> None:
    """Check that a session's next turn could answer with these controls of a message.

    Args:
        session: The session.
        configuration: Its agent and all providers.
        wanted: The message's controls.

    Raises:
        UnknownModel: No active provider offers the model that they name.
        InvalidRequest: The model does not take one of the controls that would count.
    """
    model, missing = _resolve(session, configuration, wanted)
    if model is not None:
        provider = configuration.account_of(model).provider
        check_controls(provider, model, _effective(session, configuration, wanted))
    elif missing is not None and missing == wanted.model_id:
        raise UnknownModel.of(missing)


def _wanted_controls(state: SessionState) -> Controls | None:
    """Return the controls of the newest user message."""
    for message in reversed([*state.history, *state.unread]):
        if message.role == "user":
            return message.controls
    return None


def _effective(
    session: Session, configuration: Configuration, wanted: Controls | None
) -> AnswerControls:
    agent = configuration.agent
    return effective_controls(wanted, session.controls, agent.controls if agent else None)


def _resolve(
    session: Session, configuration: Configuration, wanted: Controls | None
) -> tuple[OfferedModel | None, str | None]:
    """Return the model that answers, or the name that is not offered; see ``resolve_model``."""
    agent = configuration.agent
    return resolve_model(
        [account.provider for account in configuration.accounts],
        [
            wanted.model_id if wanted else None,
            session.model_id,
            agent.default_model_id if agent else None,
        ],
    )


def _no_model(missing: str | None) -> NoModel:
    if missing is not None:
        return NoModel(
            f"No active provider offers the model {missing!r} any more. Choose another one for the "
            "agent, the session or the message; GET /v1/models lists the available models."
        )
    return NoModel(
        "No model is named, and no provider is the default. Name a model for the agent, the "
        "session or the message (GET /v1/models lists them), or make a provider the default: "
        'PATCH /v1/llm-providers/{id} with {"is_default": true}, or POST /v1/llm-providers for a '
        "new one."
    )


def _usable(
    session: Session, configuration: Configuration, capabilities: Capabilities
) -> list[CapabilityConfig]:
    """Return the agent's capabilities, then the session's, without those that no longer exist.

    They were checked when they were chosen; removing a package later must not fail every turn of
    every session that used it.
    """
    agent = configuration.agent
    chosen = [*(agent.capabilities if agent else []), *session.capabilities]
    return [
        config
        for config in chosen
        if config.ref in capabilities and capabilities[config.ref].status == "available"
    ]
