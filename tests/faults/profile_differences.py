"""In what a stored profile is not what the independent model makes of the events."""

from __future__ import annotations

from models.profile import Profile
from tests.faults.reference_profiles import ReferenceProfile, filter_bits


def differences(found: Profile, wanted: ReferenceProfile) -> list[str]:
    """In what a stored profile differs from the model's."""
    problems: list[str] = []

    def compare(what: str, has: object, should: object) -> None:
        if has != should:
            problems.append(f"{what}: {str(has)[:200]}, not {str(should)[:200]}")

    compare("version", found.version, wanted.version)
    compare("counts", found.counts, wanted.counts)
    compare(
        "positives and negatives", (found.positives, found.negatives), (wanted.positives, wanted.negatives)
    )
    history = [(one.occurred_at_ms, one.item_id, one.action, one.weight) for one in found.history]
    compare("history", sorted(history), wanted.history)
    if wanted.is_ordered:
        compare("order of the history", history, wanted.history)
        compare("recent events", _packed(found.recent_events), wanted.recent)
        compare("seen", _packed(found.seen), wanted.seen)
        compare("filter", filter_bits(found.seen_filter), wanted.filter_bits)
        compare("filtered", found.seen_filter_items, wanted.filtered)
        applied = {int(key.rpartition("/")[2]): offset for key, offset in found.applied.items()}
        compare("positions", applied, wanted.applied)
    else:
        compare("seen", set(_packed(found.seen)) - wanted.all_seen, set())
        compare("seen count", len(_packed(found.seen)) + found.seen_filter_items >= len(wanted.seen), True)
    return problems


def _packed(hashes: bytes) -> list[bytes]:
    return [hashes[at : at + 8] for at in range(0, len(hashes), 8)]
