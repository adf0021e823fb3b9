"""The explain role, wired."""

from __future__ import annotations

from workers.erased_people import ErasedPeople
from workers.erasure_follower import ErasureFollower
from workers.explain_metrics import ExplainMetrics
from workers.explaining.facts import CATEGORY_ATTRIBUTES
from workers.explaining.generator import Generator, TemplateGenerator
from workers.explaining.language_model import LanguageModelGenerator
from workers.explaining.templates import TemplateWriter
from workers.language_model.model import LanguageModel
from workers.recommendations_to_explanations import Explainer
from workers.vectors_follower import VectorsFollower
from workers.vectors_to_titles import ItemTitles
from workers.wiring.around import Around, Wiring, utc_now
from workers.wiring.models import active_space


async def wire_explain(around: Around) -> Wiring:
    """The explain role; waits until titles are current."""
    explain, settings = around.settings.explain, around.settings.language_model
    metrics = ExplainMetrics()
    templates = TemplateWriter(explain.language, explain.max_characters)
    generator: Generator = TemplateGenerator(templates)
    if explain.generator == "language_model":
        model = await around.resources.enter_async_context(LanguageModel(settings, metrics))
        generator = LanguageModelGenerator(model, templates, explain, settings, metrics)
    titles = ItemTitles(explain.catalogue_items, {*explain.attributes, *CATEGORY_ATTRIBUTES})
    space = (await active_space(around)).space
    follower = VectorsFollower(
        around.settings, around.topics.item_vectors(space), titles, on_change=metrics.titles
    )
    around.resources.push_async_callback(follower.stop)
    await follower.start()
    erased = ErasedPeople(around.settings.privacy)
    role = Explainer(
        find=titles.find,
        generator=generator,
        publisher=around.publisher,
        topics=around.topics,
        settings=around.settings,
        now=utc_now,
        metrics=metrics,
        erased=erased,
    )
    erasures = ErasureFollower("explain", around.settings, around.topics, around.store, erased, role.forget)
    around.resources.push_async_callback(erasures.stop)
    await erasures.start()
    return Wiring("explain", [around.topics.recommendations], role)
