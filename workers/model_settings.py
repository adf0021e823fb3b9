"""Settings as the models take them: models know nothing of where settings come from."""

from __future__ import annotations

from models.profile import ActionRule, TasteSettings, TransitionSettings
from models.ranking import RankingSettings
from models.reranking import RerankSettings, Rule
from models.retrieval import FilterRange
from models.retrieval.item_filter import ItemFilter
from streams import cascade_settings
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
        freshness_half_life_days=recommend.freshness_half_life_days,
        reason_items=recommend.reason_items,
        taste=TasteSettings(
            short_half_life_hours=profile.short_half_life_hours,
            long_half_life_days=profile.long_half_life_days,
            short_share=profile.short_share,
        ),
    )


def rerank_settings(settings: cascade_settings.RerankSettings) -> RerankSettings:
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


def _filter_value(value: cascade_settings.FilterSetting) -> object:
    if isinstance(value, cascade_settings.FilterRangeSettings):
        return FilterRange(value.min, value.max)
    return value


def _rule(action: ActionSettings) -> ActionRule:
    return ActionRule(**action.model_dump())
