"""Settings as the models take them: models know nothing of where settings come from."""

from __future__ import annotations

from models.profile import ActionRule, TasteSettings, TransitionSettings
from models.ranking import RankingSettings
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


def _rule(action: ActionSettings) -> ActionRule:
    return ActionRule(**action.model_dump())
