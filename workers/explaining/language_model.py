"""Words by a language model, each checked against its facts; templates where none passes, or comes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from streams.explain_settings import ExplainSettings
from streams.language_model_settings import LanguageModelSettings
from workers.explaining.brief import Brief, answer_schema, instructions, make_brief
from workers.explaining.facts import ItemFacts
from workers.explaining.generator import How, Written
from workers.explaining.grounding import Complaint, ComplaintKind, check_answer
from workers.explaining.templates import NAME, TemplateWriter
from workers.explaining.words_cache import WordsCache
from workers.language_model.model import LanguageModel
from workers.language_model.questions import MAX_ANSWER_CHARACTERS
from workers.language_model.transport import NoAnswerError

# Once, and once more with the complaints.
_TRIES = 2

_log = structlog.get_logger()


class AnswerMetrics(Protocol):
    """What is counted of answers."""

    def complaint(self, kind: ComplaintKind) -> None:
        """An answer was found wrong in this way."""


class LanguageModelGenerator:
    """Asks for each item by itself, once again with what was wrong, and then takes the template.

    Args:
        model: Open already; who made it closes it.
    """

    def __init__(
        self,
        model: LanguageModel,
        templates: TemplateWriter,
        explain: ExplainSettings,
        settings: LanguageModelSettings,
        metrics: AnswerMetrics,
        *,
        cache: WordsCache | None = None,
    ) -> None:
        self._model = model
        self._templates = templates
        self._explain = explain
        self._settings = settings
        self._metrics = metrics
        self._cache = cache or WordsCache(settings.cache_entries, settings.refused_retention_s)

    async def write(self, items: Sequence[ItemFacts], user_id: str) -> Written:
        """See `Generator.write`."""
        texts = self._templates.write_all(items)
        how: list[How] = ["beyond"] * len(items)
        count = min(len(items), self._settings.written_items)
        user = user_id if "user_id" in self._settings.personal_fields else None
        tasks = [asyncio.create_task(self._one(items[at], user)) for at in range(count)]
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=self._settings.list_timeout_s)
        finally:
            late = [task for task in tasks if task.cancel()]
            await asyncio.gather(*late, return_exceptions=True)
        for at, task in enumerate(tasks):
            if task.cancelled():
                how[at] = "late"
                continue
            text, how[at] = task.result()
            texts[at] = texts[at] if text is None else text
        by_model = sum(one in ("accepted", "retried", "cached") for one in how)
        names = [self._model.model] * (by_model > 0) + [NAME] * (by_model < len(items) or not items)
        return Written(
            tuple(texts),
            tuple(how),
            " + ".join(names),
            grounded=by_model == 0 or self._settings.vocabulary == "closed",
        )

    async def _one(self, item: ItemFacts, user: str | None) -> tuple[str | None, How]:
        """Words for an item, None where the template must do; and how they came about."""
        brief = make_brief(
            item,
            self._explain.language,
            self._explain.max_characters,
            self._settings.personal_fields,
            self._templates,
        )
        if not brief.reasons:
            return None, "template"
        if brief.looks_like_instructions:
            return None, "suspicious"
        key = brief.cache_key
        cached = self._cache.find(key)
        if cached is not None:
            return cached, "cached"
        if self._cache.is_refused(key):
            return None, "refused"
        try:
            return await self._asked(brief, key, user)
        except NoAnswerError as error:
            _log.debug("a template takes over", item_id=item.item_id, because=error.outcome)
            return None, "unavailable"

    async def _asked(self, brief: Brief, key: bytes, user: str | None) -> tuple[str | None, How]:
        messages = [
            {"role": "system", "content": instructions()},
            {"role": "user", "content": brief.user_message},
        ]
        for attempt in range(_TRIES):
            content = await self._model.answer(messages, answer_schema(), user)
            checked = check_answer(content, brief, closed=self._settings.vocabulary == "closed")
            if not checked.complaints:
                self._cache.keep(key, checked.text)
                return checked.text, "accepted" if attempt == 0 else "retried"
            for one in checked.complaints:
                self._metrics.complaint(one.kind)
            messages += [
                {"role": "assistant", "content": content[:MAX_ANSWER_CHARACTERS]},
                {"role": "user", "content": complaint_message(checked.complaints)},
            ]
        self._cache.refuse(key)
        return None, "refused"


def complaint_message(complaints: Sequence[Complaint]) -> str:
    """What a model is told that is to answer again."""
    lines = "\n".join(f"- {one.detail}" for one in complaints)
    return f"The answer cannot be used:\n{lines}\nAnswer again, as a JSON object, by the same rules."
