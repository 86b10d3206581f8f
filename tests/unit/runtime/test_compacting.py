"""Conversations that have become too long for their model."""

import asyncio
from collections.abc import AsyncGenerator, Callable

import pytest

from everruns.domain.budgets import BudgetInput
from everruns.domain.events import Event
from everruns.domain.llm import ModelLimits, ModelProfile, OfferedModel
from everruns.domain.messages import Message
from everruns.domain.usage import Usage
from everruns.providers.base import ModelAnswer, ModelChunk, ModelRequest, TextDelta
from everruns.runtime import turn
from everruns.runtime.summary_request import INSTRUCTIONS
from everruns.storage.memory.store import MemoryStore
from everruns.tools.function import tool
from everruns.turn_failures import (
    ContextTooLong,
    ProviderRejected,
    ProviderUnavailable,
)
from tests.conversations import Conversation
from tests.scripts import Gate, ScriptedDriver, call, calls, local_runtime, says, step
