"""The learn role, wired anew for each term of a writer."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import cache

from models.cascade.cascade import Cascade
from models.cascade.learner import Learner
from models.retrieval import ItemIndex
from workers.background import step_back
from workers.erased_people import ErasedPeople
from workers.erasure_follower import ErasureFollower
from workers.model_settings import cascade_settings, learn_settings
from workers.profiles_to_weights import LearningModels, WeightsWriter, WriterElection
from workers.role_metrics import LearnMetrics
from workers.vectors_to_index import IndexFollower
from workers.wiring.around import Around, Wiring, utc_now
from workers.wiring.models import active_space_and_user_model

# The role is wired anew where another space serves, in the same process: each call would step further back.
_step_back_once = cache(step_back)


async def wire_learn(around: Around) -> Wiring:
    """The learn role; a new term begins where another vector space serves, or another user model."""
    active, user_model, expects_user_model = await active_space_and_user_model(around)
    vectors = around.topics.item_vectors(active.space)
    _step_back_once(around.settings.learn.nice)

    async def term() -> None:
        async with AsyncExitStack() as resources:
            index = ItemIndex(active.dimension)
            follower = IndexFollower(around.settings, vectors, index)
            resources.push_async_callback(follower.stop)
            await follower.start()
            cascade = Cascade(index, cascade_settings(around.settings))
            if expects_user_model:
                cascade.expect_user_model()
            cascade.use_user_model(user_model)
            erased = ErasedPeople(around.settings.privacy)
            writer = WeightsWriter(
                LearningModels(index, cascade, Learner(cascade, learn_settings(around.settings))),
                settings=around.settings,
                topics=around.topics,
                publisher=around.publisher,
                now=utc_now,
                metrics=LearnMetrics(),
                erased=erased,
            )
            erasures = ErasureFollower(
                "learn", around.settings, around.topics, around.store, erased, writer.forget, gate=writer.gate
            )
            resources.push_async_callback(erasures.stop)
            await erasures.start()
            await writer.run()

    return Wiring("learn", [around.topics.learned], WriterElection(term))
