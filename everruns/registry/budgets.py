"""The budgets and their balances.

The store charges budgets when it stores answers (``BudgetStore``). Balances are computed from the
ledgers on demand, so a crash cannot leave a wrong count.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from everruns.domain.base import Page
from everruns.domain.budgets import (
    MAX_BUDGETS,
    Budget,
    BudgetCheck,
    BudgetInput,
    BudgetPatch,
    BudgetShown,
    LedgerEntry,
    Standing,
    TopUp,
    check,
    counts_from,
)
from everruns.domain.idempotency import Idempotency
from everruns.domain.llm import resolve_model
from everruns.errors import AgentNotFound, BudgetNotFound, Conflict, InvalidRequest, SessionNotFound
from everruns.ids import DEFAULT_ORGANIZATION_ID, format_time, now_ms
from everruns.providers.catalogue import has_price
from everruns.registry.database import Database, receipt_of
from everruns.registry.revision import Revision
from everruns.remote import Repeat, remote
from everruns.storage.budgets import BudgetQuery
from everruns.storage.receipts import Receipt
from everruns.turn_failures import BudgetUnpriced


class Budgets:
    """Creates, changes, lists, tops up and checks budgets.

    Args:
        database: Keeps them.
        revision: Tells hosts that an agent has budgets.
        clock: Returns the time in milliseconds since the epoch.
    """

    def __init__(
        self, database: Database, revision: Revision, clock: Callable[[], int] = now_ms
    ) -> None:
        self._database = database
        self._store = database.store
        self._revision = revision
        self._clock = clock

    @remote(Repeat.KEYED)
    async def create(
        self, wanted: BudgetInput, idempotency: Idempotency | None = None
    ) -> BudgetShown:
        """Create a budget; its subject's spending is charged to it from now on.

        Args:
            wanted: The budget.
            idempotency: Gives a retry the budget that the first attempt created.

        Raises:
            AgentNotFound: The subject is an agent that does not exist.
            SessionNotFound: The subject is a session that does not exist.
            InvalidRequest: It is in dollars, and the price of the subject's model is not known
                (``BUDGET_UNPRICED``).
            Conflict: The subject has the maximum number of active budgets.
            IdempotencyKeyReused: The key was used with a different body.
        """
        key = idempotency or Idempotency.of_call()
        async with self._database.keyed(key.key):
            if answer := await self._database.earlier_answer(idempotency):
                return BudgetShown.model_validate_json(answer)
            created = self._wanted(wanted, key)
            return await self._changed(
                await self._database.control.write(self._create, created, idempotency)
            )

    def _wanted(self, wanted: BudgetInput, key: Idempotency) -> Budget:
        now = format_time(self._clock())
        return Budget.model_validate(
            {
                **dict(wanted),
                "id": key.new_id("budget"),
                "organization_id": DEFAULT_ORGANIZATION_ID,
                "created_at": now,
                "updated_at": now,
            }
        )

    def _create(self, budget: Budget, idempotency: Idempotency | None) -> Standing:
        subject_id = budget.subject_id
        session = None
        agent_id: str | None = subject_id
        if budget.subject_type == "session":
            session = self._store.sessions.find(subject_id)
            if session is None:
                raise SessionNotFound(f"Session {subject_id} not found")
            agent_id = session.agent_id
        agent = self._store.agents.find(agent_id) if agent_id else None
        if agent is None and budget.subject_type == "agent":
            raise AgentNotFound(f"Agent {subject_id} not found")
        if budget.currency == "usd":
            wishes = [session and session.model_id, agent and agent.default_model_id]
            self._refuse_unpriced(wishes)
        standing = self._standing(budget)
        answer = standing.shown.model_dump_json()
        self._put(budget, receipt_of(idempotency, answer, budget.id))
        return standing

    @remote(Repeat.YES)
    async def get(self, budget_id: str) -> BudgetShown:
        """Return a budget, active or disabled.

        Raises:
            BudgetNotFound: There is none with this id.
        """
        return (await self._database.control.read(self._get, budget_id)).shown

    def _get(self, budget_id: str) -> Standing:
        return self._standing(self._find(budget_id))

    @remote(Repeat.YES)
    async def list(self, query: BudgetQuery) -> Page[BudgetShown]:
        """Return a page of the active budgets."""
        standings, total = await self._database.bulk.read(self._list, query)
        shown = [standing.shown for standing in standings]
        return Page.of(shown, total, query.offset, query.limit)

    def _list(self, query: BudgetQuery) -> tuple[Sequence[Standing], int]:
        listed, total = self._store.budgets.list(query)
        return self._standings(listed), total

    @remote(Repeat.YES)
    async def update(self, budget_id: str, patch: BudgetPatch) -> BudgetShown:
        """Change a budget.

        Raises:
            BudgetNotFound: There is none with this id.
            SessionNotFound: Its session is being deleted.
            Conflict: It would become active again, and its subject already has the maximum number.
        """
        changes = patch.changes()
        return await self._changed(
            await self._database.control.write(self._update, budget_id, changes)
        )

    def _update(self, budget_id: str, changes: dict[str, Any]) -> Standing:
        budget = self._find(budget_id)
        budget = budget.model_copy(update={**changes, "updated_at": format_time(self._clock())})
        self._put(budget)
        return self._standing(budget)

    @remote(Repeat.YES)
    async def disable(self, budget_id: str) -> None:
        """Disable a budget: it is no longer enforced or listed, and its ledger stays.

        Raises:
            BudgetNotFound: There is none with this id.
        """
        await self.update(budget_id, BudgetPatch(status="disabled"))

    @remote(Repeat.KEYED)
    async def top_up(
        self, budget_id: str, added: TopUp, idempotency: Idempotency | None = None
    ) -> BudgetShown:
        """Top up a budget.

        Args:
            budget_id: The budget.
            added: How much.
            idempotency: Keeps a retry from adding twice.

        Raises:
            BudgetNotFound: There is none with this id.
        """
        entry = LedgerEntry(
            id=(idempotency or Idempotency.of_call()).new_id("ledger"),
            budget_id=budget_id,
            # Rounded to the decimal places that are stored.
            amount=-round(added.amount, 12),
            meter_source="top_up",
            description=added.description,
            created_at=format_time(self._clock()),
        )
        return (await self._database.control.write(self._top_up, entry)).shown

    def _top_up(self, entry: LedgerEntry) -> Standing:
        budget = self._find(entry.budget_id)
        if not self._store.ledger.put(entry):
            raise _not_found(entry.budget_id)
        return self._standing(budget)

    @remote(Repeat.YES)
    async def ledger(self, budget_id: str, offset: int, limit: int) -> Page[LedgerEntry]:
        """Return a page of a budget's ledger, newest first.

        Raises:
            BudgetNotFound: There is none with this id.
        """
        read = self._database.bulk.read
        entries, total = await read(self._ledger, budget_id, offset, limit)
        return Page.of(entries, total, offset, limit)

    def _ledger(self, budget_id: str, offset: int, limit: int) -> tuple[Sequence[LedgerEntry], int]:
        return self._store.ledger.list(self._find(budget_id).id, offset, limit)

    @remote(Repeat.YES)
    async def check(self, budget_id: str) -> BudgetCheck:
        """Return what a budget means for the next model call of its subject.

        Raises:
            BudgetNotFound: There is none with this id.
        """
        return (await self._database.control.read(self._get, budget_id)).check

    # Of a session

    @remote(Repeat.YES)
    async def list_of_session(self, session_id: str) -> Sequence[BudgetShown]:
        """Return the active budgets that apply to a session: its own and its agent's.

        Raises:
            SessionNotFound: There is none with this id.
        """
        standings = await self._database.control.read(self._of_session, session_id)
        return [standing.shown for standing in standings]

    @remote(Repeat.YES)
    async def check_session(self, session_id: str, *, has_price: bool = True) -> BudgetCheck:
        """Return what the budgets of a session and its agent mean for its next model call.

        Args:
            session_id: The session.
            has_price: Whether the price of that call's model is known.

        Raises:
            SessionNotFound: There is none with this id.
        """
        standings = await self._database.control.read(self._of_session, session_id)
        return check(standings, has_price=has_price)

    def _of_session(self, session_id: str) -> Sequence[Standing]:
        session = self._store.sessions.find(session_id)
        if session is None:
            raise SessionNotFound(f"Session {session_id} not found")
        subjects = [session_id, *([session.agent_id] if session.agent_id else [])]
        return self._standings(self._store.budgets.list_of(subjects))

    @remote(Repeat.NO)
    async def resume_session(self, session_id: str) -> int:
        """Resume a session's own paused budgets; return how many there were.

        Raises:
            SessionNotFound: There is none with this id.
        """
        return await self._database.control.write(self._resume, session_id)

    def _resume(self, session_id: str) -> int:
        paused = [
            standing.budget.id
            for standing in self._of_session(session_id)
            if standing.budget.subject_id == session_id and standing.budget.status == "paused"
        ]
        for budget_id in paused:
            self._update(budget_id, {"status": "active"})
        return len(paused)

    # Of all

    async def most_used(self, limit: int) -> float:
        """Return the largest part that is used of one of the newest active budgets.

        Args:
            limit: How many budgets to look at.

        Returns:
            1 and more if one is exhausted; 0 if there are none.
        """
        query = BudgetQuery(limit=limit)
        standings, _ = await self._database.bulk.read(self._list, query)
        active = [standing.used for standing in standings if standing.budget.status == "active"]
        return max(active, default=0.0)

    # Shared steps

    def _refuse_unpriced(self, wishes: Sequence[str | None]) -> None:
        """Refuse a budget in dollars for a model that is known to have no price.

        Args:
            wishes: The names of the model in order of precedence.

        Raises:
            InvalidRequest: With the code ``BUDGET_UNPRICED``.
        """
        providers = [account.provider for account in self._store.providers.list()]
        model, _ = resolve_model(providers, wishes)
        if model is not None and not has_price(model):
            raise InvalidRequest(
                f"The price of {model.qualified_name} is not known, so a budget in usd cannot be "
                "charged. Give the model a cost in its provider's models, or make a budget in "
                "tokens.",
                BudgetUnpriced.code,
            )

    def _find(self, budget_id: str) -> Budget:
        budget = self._store.budgets.find(budget_id)
        if budget is None:
            raise _not_found(budget_id)
        return budget

    def _put(self, budget: Budget, receipt: Receipt | None = None) -> None:
        in_force = {known.id for known in self._store.budgets.list_of([budget.subject_id])}
        if budget.status != "disabled" and len(in_force - {budget.id}) >= MAX_BUDGETS:
            raise Conflict(
                f"{budget.subject_id} has {MAX_BUDGETS} active budgets, the maximum. "
                "Disable one first."
            )
        if not self._store.budgets.put(budget, receipt):
            raise SessionNotFound(f"Session {budget.subject_id} not found")

    def _standing(self, budget: Budget) -> Standing:
        return self._standings([budget])[0]

    def _standings(self, budgets: Sequence[Budget]) -> Sequence[Standing]:
        if not budgets:
            return []
        now = self._clock()
        since = {
            budget.id: began
            for budget in budgets
            if (began := counts_from(budget, now)) is not None
        }
        totals = self._store.ledger.totals([budget.id for budget in budgets], since)
        return [Standing(budget, totals.get(budget.id, Decimal(0)), now) for budget in budgets]

    async def _changed(self, standing: Standing) -> BudgetShown:
        # Hosts must learn whether an agent has budgets.
        if standing.budget.subject_type == "agent":
            await self._revision.advance()
        return standing.shown


def _not_found(budget_id: str) -> BudgetNotFound:
    return BudgetNotFound(f"Budget {budget_id} not found")
