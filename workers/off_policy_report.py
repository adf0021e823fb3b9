"""What another policy would have brought, from the lists that left something to chance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from models.evaluation.intervals import Estimate
from models.evaluation.off_policy import evaluate_policy, greedy_target, uniform_target
from streams.errors import InvalidError
from workers.outcome_logs import LoggedOutcome
from workers.state.exposures import ShownList

# The probabilities of a target policy at the places of a list; None where it says nothing of that list.
TargetPolicy = Callable[[ShownList], Sequence[float] | None]


class PolicyLine(msgspec.Struct, forbid_unknown_fields=True):
    """A line of a policy's file: with which probability it puts the item at the place where the list has it,
    given the places before.
    """

    recommendation_id: str
    item_id: str
    probability: float


class OffPolicyReport(msgspec.Struct, kw_only=True):
    """What `freshet evaluate off-policy` shows; the rates are of rewarded items among all items shown.

    ``lists`` took part; ``without_propensities`` left nothing to chance, and of ``without_target`` the policy
    says nothing. ``items_per_list`` turns a rate into rewarded items a list. The rest is as in
    `models.evaluation.off_policy.OffPolicyEstimate`.
    """

    policy: str
    lists: int
    without_propensities: int
    without_target: int
    people: int
    items: int
    items_per_list: float
    logged: Estimate
    snips: Estimate
    difference: Estimate
    ips: Estimate
    clip: float
    clipped: float
    weight_mean: float
    weight_max: float
    effective_items: float


def greedy_policy(shown: ShownList) -> Sequence[float]:
    """The list as it would have been without exploration; see `models.evaluation.off_policy`."""
    return list(map(float, greedy_target([one or 1.0 for one in shown.propensities])))


def uniform_policy(candidates: int) -> TargetPolicy:
    """Each place by chance, from so many candidates."""
    return lambda shown: list(map(float, uniform_target(len(shown.item_ids), candidates)))


def file_policy(path: Path) -> TargetPolicy:
    """The policy of a JSON-lines file of `PolicyLine`. Items of its lists without a line have probability 0.

    Raises:
        InvalidError: The file cannot be read, or a line of it is wrong; says which.
    """
    targets: dict[str, dict[str, float]] = {}
    decoder = msgspec.json.Decoder(PolicyLine)
    try:
        with path.open("rb") as lines:
            for number, text in enumerate(lines, 1):
                if not text.strip():
                    continue
                try:
                    line = decoder.decode(text)
                except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                    raise InvalidError(f"{path}, line {number}: {error}") from None
                if not 0 <= line.probability <= 1:
                    raise InvalidError(f"{path}, line {number}: a probability lies between 0 and 1")
                targets.setdefault(line.recommendation_id, {})[line.item_id] = line.probability
    except OSError as error:
        raise InvalidError(f"the policy {path} cannot be read: {error.strerror}") from None
    return lambda shown: _of_items(shown, targets.get(shown.recommendation_id))


def off_policy_report(
    name: str,
    policy: TargetPolicy,
    lists: Iterable[tuple[str, ShownList]],
    outcomes: Iterable[LoggedOutcome],
    *,
    clip: float,
    action: str | None = None,
) -> OffPolicyReport:
    """Estimate a policy.

    Args:
        name: Of the policy.
        policy: See `TargetPolicy`.
        lists: Each once, with whom it is for.
        outcomes: Each once. An item of a list is rewarded where one has a positive weight, or the action.
        clip: The greatest weight.
        action: What counts as a reward, instead of a positive weight.
    """
    people: dict[str, int] = {}
    owners: list[int] = []
    propensities: list[float] = []
    targets: list[float] = []
    places: dict[str, tuple[int, tuple[str, ...]]] = {}
    silent, unsaid = 0, 0
    for user_id, shown in lists:
        if not shown.propensities:
            silent += 1
            continue
        target = policy(shown)
        if target is None:
            unsaid += 1
            continue
        person = people.setdefault(user_id, len(people))
        places[shown.recommendation_id] = (len(owners), shown.item_ids)
        owners += [person] * len(shown.item_ids)
        # A pinned place, say, leaves nothing to chance among others that do.
        propensities += [one or 1.0 for one in shown.propensities]
        targets += target
    rewards = [0.0] * len(owners)
    for outcome in outcomes:
        first, item_ids = places.get(outcome.recommendation_id, (0, ()))
        is_reward = outcome.weight > 0 if action is None else outcome.action == action
        if is_reward and outcome.item_id in item_ids:
            rewards[first + item_ids.index(outcome.item_id)] = 1.0
    found = evaluate_policy(owners, rewards, propensities, targets, clip=clip)
    return OffPolicyReport(
        policy=name,
        lists=len(places),
        without_propensities=silent,
        without_target=unsaid,
        people=len(people),
        items=found.places,
        items_per_list=found.places / max(1, len(places)),
        logged=found.logged,
        snips=found.snips,
        difference=found.difference,
        ips=found.ips,
        clip=clip,
        clipped=found.clipped,
        weight_mean=found.weight_mean,
        weight_max=found.weight_max,
        effective_items=found.effective_places,
    )


def _of_items(shown: ShownList, target: Mapping[str, float] | None) -> Sequence[float] | None:
    return None if target is None else [target.get(item_id, 0.0) for item_id in shown.item_ids]
