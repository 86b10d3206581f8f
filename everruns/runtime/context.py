"""The context of a turn: its model, system prompt and tools."""

from collections.abc import Sequence
from dataclasses import dataclass

from everruns.capabilities.ask_user import ASK_USER, what_silence_means
from everruns.capabilities.base import Capabilities
from everruns.capabilities.registry import Resolved, resolve, system_prompts
from everruns.capabilities.search_history import SEARCH_COMPACTED
from everruns.capabilities.tool_approval import TOOL_APPROVAL
from everruns.capabilities.tool_search import TOOL_SEARCH
from everruns.domain.agents import Agent, CapabilityConfig
from everruns.domain.approvals import ApprovalRule
from everruns.domain.compaction import SEARCH_HISTORY, CompactionRule, shown
from everruns.domain.controls import AnswerControls, Controls, effective_controls
from everruns.domain.llm import OfferedModel, ProviderAccount, resolve_model
from everruns.domain.loops import Loop, find_loop
from everruns.domain.prompts import PromptPart, joined_prompt
from everruns.domain.sessions import Session
from everruns.domain.state import SessionState
from everruns.domain.structured_output import corrections
from everruns.domain.tools import ToolCall
from everruns.domain.transcript import build_transcript
from everruns.domain.waits import OPEN_RULE, DeciderKind, WaitRule
from everruns.errors import UnknownModel
from everruns.providers.base import ModelRequest
from everruns.providers.controls import check_controls
from everruns.registry.registry import Configuration
from everruns.runtime.offered_tools import OfferedTools, offer_tools
from everruns.settings import Settings
from everruns.turn_failures import NoModel


@dataclass(frozen=True)
class TurnContext:
    """Everything that one step of a turn depends on besides the conversation itself.

    Attributes:
        model: The model that answers.
        account: Its provider, with the key.
        prompts: The prompts of agent and session, then those of their capabilities.
        offered: The tools that the model may call.
        agent: The session's agent, if it has one.
        approval: Which calls require approval, and whose.
        client_tool_wait: How long a client-side call waits, unless its tool says otherwise.
        question_wait: How long questions to the user wait.
        max_iterations: Maximum model calls of the turn.
        max_repeated_calls: After how many calls that show nothing new the turn ends; 0 for never.
        parallel_tool_calls: Whether one step may run several calls; ``None`` if unspecified.
        controls: Options for the answers.
        to_prepare: The capabilities that are prepared at the start of a turn.
        compaction: When the conversation is compacted.
    """

    model: OfferedModel
    account: ProviderAccount
    prompts: Sequence[PromptPart]
    offered: OfferedTools
    agent: Agent | None
    approval: ApprovalRule
    client_tool_wait: WaitRule
    question_wait: WaitRule
    max_iterations: int
    max_repeated_calls: int
    parallel_tool_calls: bool | None
    controls: AnswerControls
    to_prepare: Sequence[Resolved]
    compaction: CompactionRule

    @property
    def system_prompt(self) -> str:
        """All prompts as one."""
        return joined_prompt(self.prompts)

    @property
    def room_tokens(self) -> int | None:
        """How many tokens a request may have; ``None`` if that is not known."""
        limits = self.model.profile.limits if self.model.profile else None
        context = limits.context if limits else None
        return self.compaction.room_tokens(context, self.controls.max_output_tokens)

    def needs_approval(self, call: ToolCall) -> bool:
        """Tell whether a call is held until somebody allows it."""
        definition = self.offered.definition_of(call.name)
        tool = self.offered.toolbox.find(call.name)
        return definition is not None and self.approval.holds(
            definition,
            has_effects=self.offered.has_effects(call.name),
            is_destructive=tool is not None and tool.destructive,
        )

    def decided_by(self, call: ToolCall) -> DeciderKind:
        """Return who decides about a call that is held."""
        definition = self.offered.definition_of(call.name)
        return (definition and definition.decided_by) or self.approval.decided_by

    def decided_always(self, call: ToolCall, state: SessionState) -> bool | None:
        """Return whether all calls of this tool were allowed or rejected; ``None`` if neither.

        A permission of an end user does not count once an operator decides.
        """
        decided = state.calls.always.get(call.name)
        if decided is None or (decided.by == "end_user" and self.decided_by(call) == "operator"):
            return None
        return decided.is_allowed

    def wait_of(self, call: ToolCall) -> WaitRule | None:
        """Return how long a call waits for somebody outside; ``None`` if it runs here."""
        if self.offered.toolbox.asked(call):
            return self.question_wait
        tool = self.offered.client_tools.get(call.name)
        return tool and (tool.wait or OPEN_RULE).or_else(self.client_tool_wait)

    def loop(self, state: SessionState) -> Loop | None:
        """Return the loop that the model is in, if any."""
        if state.turn is None:
            return None
        return find_loop(state.turn.watch, self.offered.has_effects, self.max_repeated_calls)

    def request(self, state: SessionState) -> ModelRequest:
        """Return the model call that continues the conversation."""
        name, loop = self.model.qualified_name, self.loop(state)
        is_correction = self.controls.output_schema is not None and bool(
            corrections(state.history, state.unread)
        )
        images, messages = (
            {said for said, model in refused.items() if model == name}
            for refused in (state.without_images, state.without_messages)
        )
        return ModelRequest(
            model=self.model,
            system_prompt=self.system_prompt,
            messages=self.offered.as_declared(
                build_transcript(
                    shown(state.history, state.compaction, state.session_id),
                    state.unread,
                    images,
                    messages,
                    loop.note if loop else None,
                )
            ),
            tools=() if is_correction else self.offered.listed,
            controls=self.controls,
            parallel_tool_calls=self.parallel_tool_calls,
            is_correction=is_correction,
            deferred=() if is_correction else self.offered.deferred.tools,
        )


def turn_context(
    session: Session,
    state: SessionState,
    configuration: Configuration,
    capabilities: Capabilities,
    servers: Capabilities,
    settings: Settings,
) -> TurnContext:
    """Build the context of a session's next step.

    Args:
        session: The session.
        state: Its conversation; the newest user message may name the model.
        configuration: Its agent and all providers.
        capabilities: All known capabilities.
        servers: Those that stand for the MCP servers that the session uses.
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
    known = {**capabilities, **servers}
    inline = [CapabilityConfig(ref=ref) for ref in servers]
    used = resolve([*_usable(session, configuration, known), *inline], known)
    configs = {capability.id: config for capability, config in used}
    question_wait = WaitRule.of_config(configs.get(ASK_USER.id, {})).or_else(
        WaitRule.of_deployment(settings.question_timeout_s)
    )
    declared = [*session.tools, *(agent.tools if agent else [])]
    is_free = all(tool.name != SEARCH_HISTORY for tool in declared)
    added: list[Resolved] = []
    if state.compaction is not None and is_free:
        added.append((SEARCH_COMPACTED, {}))
    searched = configs.get(TOOL_SEARCH.id, {})
    offered = offer_tools(used, added, declared, state.prepared, searched, settings)
    silence = what_silence_means(question_wait) if ASK_USER.id in configs else None
    prompts = [
        PromptPart("agent", (agent.system_prompt if agent else None) or ""),
        PromptPart("session", session.system_prompt or ""),
        *system_prompts(used, state.prepared),
        PromptPart("capability", silence or "", ASK_USER.id),
        PromptPart("server", offered.note or ""),
    ]
    parallel = session.parallel_tool_calls
    if parallel is None and agent:
        parallel = agent.parallel_tool_calls
    return TurnContext(
        model=model,
        account=account,
        prompts=[prompt for prompt in prompts if prompt.text],
        offered=offered,
        agent=agent,
        approval=ApprovalRule.of(
            configs.get(TOOL_APPROVAL.id), WaitRule.of_deployment(settings.approval_timeout_s)
        ),
        client_tool_wait=(session.client_tool_wait or OPEN_RULE)
        .or_else(agent.client_tool_wait if agent else None)
        .or_else(WaitRule.of_deployment(settings.client_tool_timeout_s)),
        question_wait=question_wait,
        max_iterations=session.max_iterations
        or (agent.max_iterations if agent else None)
        or settings.max_iterations,
        max_repeated_calls=settings.max_repeated_calls,
        parallel_tool_calls=parallel,
        controls=controls,
        to_prepare=[one for one in used if one[0].preparation is not None],
        compaction=CompactionRule(settings.compaction_share, settings.compaction_kept_results),
    )


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
    """Return the controls of the newest user message, or of a retry that came after it."""
    turn = state.turn
    for message in reversed([*state.history, *state.unread]):
        if message.role == "user":
            if turn is not None and turn.controls and message.sequence < turn.started_sequence:
                return turn.controls
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
