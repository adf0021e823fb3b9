"""How each role is wired together: with `workers.composition`, what knows every part by name."""

from __future__ import annotations

from workers.roles import Role
from workers.wiring.around import Around, Wiring
from workers.wiring.explain import wire_explain
from workers.wiring.items import wire_encoder, wire_fuse
from workers.wiring.learn import wire_learn
from workers.wiring.outcomes import wire_join
from workers.wiring.profile import wire_profile
from workers.wiring.recommend import wire_recommend


async def wire(role: Role, around: Around) -> Wiring:
    """The parts of a role.

    Raises:
        ConfigurationError: The settings cannot work: says which.
    """
    match role:
        case "text" | "image" | "audio" | "video":
            return await wire_encoder(role, around)
        case "fuse":
            return await wire_fuse(around)
        case "profile":
            return await wire_profile(around)
        case "recommend":
            return await wire_recommend(around)
        case "explain":
            return await wire_explain(around)
        case "learn":
            return await wire_learn(around)
        case "join":
            return await wire_join(around)
