"""Settings as the models take them: models know nothing of where settings come from."""

from __future__ import annotations

from models.cascade.settings import CascadeSettings, LearnSettings
from models.interactions import InteractionSettings
from models.profile import ActionRule, TasteSettings, TransitionSettings
from models.ranking import RankingSettings
from models.ranking.online import OnlineSettings
from models.reranking import RerankSettings, Rule
from models.retrieval import FilterRange
from models.retrieval.item_filter import ItemFilter
from streams import cascade_settings as sections
from streams.settings import ActionSettings, ProfileSettings, Settings


def transition_settings(settings: ProfileSettings) -> TransitionSettings:
    """How events change profiles."""
    return TransitionSettings(
        history_items=settings.history_items,
        actions={name: _rule(action) for name, action in settings.actions.items()},
        other_action=_rule(settings.other_action),
    )


def ranking_settings(settings: Settings) -> RankingSettings:
    """How items are scored."""
    recommend, profile = settings.recommend, settings.profile
    return RankingSettings(
        content_weight=recommend.content_weight,
        popularity_weight=recommend.popularity_weight,
        freshness_weight=recommend.freshness_weight,
        bias=recommend.bias,
        asked_share=recommend.query_weight,
        freshness_half_life_days=recommend.freshness_half_life_days,
        reason_items=recommend.reason_items,
        taste=TasteSettings(
            short_half_life_hours=profile.short_half_life_hours,
            long_half_life_days=profile.long_half_life_days,
            short_share=profile.short_share,
        ),
    )


def rerank_settings(settings: sections.RerankSettings) -> RerankSettings:
    """What becomes of a ranked list before it is shown."""
    rules = tuple(
        Rule(
            ItemFilter({name: _filter_value(value) for name, value in rule.filter.items()}),
            rule.effect,
            rule.amount,
        )
        for rule in settings.rules
    )
    return RerankSettings(**(dict(settings) | {"rules": rules}))


def _filter_value(value: sections.FilterSetting) -> object:
    if isinstance(value, sections.FilterRangeSettings):
        return FilterRange(value.min, value.max)
    return value


def cascade_settings(settings: Settings) -> CascadeSettings:
    """What the cascade remembers, and where its candidates come from."""
    remembered = settings.interactions
    return CascadeSettings(
        interactions=InteractionSettings(
            max_items=remembered.max_items,
            neighbours=remembered.neighbours,
            memory_bytes=remembered.memory_bytes,
            recent_entries=remembered.recent_entries,
            log_events=remembered.log_events,
            item_events=remembered.item_events,
            segment_by=remembered.segment_by,
            segments=remembered.segments,
        ),
        budgets=settings.sources.model_dump(),
        candidates=settings.recommend.candidates,
        new_item_events=settings.rerank.new_item_events,
        reason_items=settings.recommend.reason_items,
        asked_share=settings.recommend.query_weight,
        objectives=settings.objectives_of(settings.recommend),
        user_model=settings.recommend.user_model is not None,
    )


def learn_settings(settings: Settings) -> LearnSettings:
    """How the ranker learns, and when models of sources are trained."""
    learn = settings.learn
    return LearnSettings(
        objectives=learn.objectives,
        target_weights=learn.target_weights,
        positive_target_weight=learn.positive_target_weight,
        other_target_weight=learn.other_target_weight,
        share=learn.share,
        online=OnlineSettings(
            prior_curvature=learn.prior_curvature,
            memory_events=learn.memory_events,
            warm_up_events=learn.warm_up_events,
            max_step=learn.max_step,
            batch_events=learn.batch_events,
            drift_window_events=learn.drift_window_events,
            drift_ratio=learn.drift_ratio,
        ),
        publish_events=learn.publish_events,
        refit_events=learn.refit_events,
        first_refit_events=learn.first_refit_events,
        regression_items=learn.regression_items,
        window_events=learn.refit_window_events,
    )


def _rule(action: ActionSettings) -> ActionRule:
    return ActionRule(**action.model_dump())
