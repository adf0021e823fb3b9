"""The language model of a worker: opened once, for all in it that ask."""

from __future__ import annotations

from contextlib import AsyncExitStack

from streams.language_model_settings import LanguageModelSettings
from workers.language_model.metrics import LanguageModelMetrics, Purpose
from workers.language_model.model import LanguageModel


class WorkersLanguageModel:
    """Opens the model where something first needs it: one decoder in memory, one budget of tokens.

    Args:
        resources: Close it.
    """

    def __init__(self, settings: LanguageModelSettings, resources: AsyncExitStack) -> None:
        self._settings = settings
        self._resources = resources
        self._opened: LanguageModel | None = None

    async def open(self, purpose: Purpose) -> LanguageModel:
        """The model, with a circuit of the asker's own.

        Raises:
            ConfigurationError: See `LanguageModel`.
        """
        if self._opened is not None:
            return self._opened.beside(LanguageModelMetrics(purpose))
        model = LanguageModel(self._settings, LanguageModelMetrics(purpose))
        self._opened = await self._resources.enter_async_context(model)
        return self._opened
