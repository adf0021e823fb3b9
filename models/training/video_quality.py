"""How good a pooling of frames is: figures on made-up films of photographs that no training has seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.encoders.manifest import Measurement
from models.training.common import Floats, linear_probe, neighbour_accuracy, probe_hits, unit
from models.training.labelled_media import Labelled
from models.training.video_films import Films, FrameVectors, make_films

# Films made of each photograph, to fit a probe and to judge.
FITTED_EACH, JUDGED_EACH = 2, 8
_RESAMPLES = 2000

Pool = Callable[[Films], Floats]


class Judged(NamedTuple):
    """What the films of one split are made of.

    ``known`` holds kinds of frames that training saw, ``unknown`` others; ``labels`` are of the photographs.
    """

    known: FrameVectors
    unknown: FrameVectors
    labels: NDArray[np.int64]


def mean_pool(films: Films) -> Floats:
    """The mean of all frames."""
    return unit(films.frames.sum(axis=1))


def max_pool(films: Films) -> Floats:
    """The largest of each number over all frames."""
    return unit(np.where(films.present[:, :, None], films.frames, -np.inf).max(axis=1))


def subject_pool(films: Films) -> Floats:
    """The mean of the frames that show the subject: what knows which they are."""
    return unit((films.frames * films.subject[:, :, None]).sum(axis=1))


def evaluate(
    pools: Mapping[str, Pool], others: Sequence[Pool], train: Judged, judged: Judged, part: str, seed: int
) -> dict[str, Measurement]:
    """Figures of each of ``pools`` (a name's beginning → pooling; "" is the learned one) on ``judged``.

    A linear probe of the class is fitted on films of the train split, pooled in the same way. ``others`` are
    the learned pooling with other seeds. Learned and mean are compared on films of unknown kinds of frames
    and on clean ones, too, and by the photographs that are nearest to a film.
    """
    films_of, stills_of = f"made-up films of {part}", f"made-up films of {part}, photographs of split train"
    random = np.random.default_rng(seed)
    fitted = _films(train.known, train.labels, FITTED_EACH, random)
    fitted_labels = train.labels[fitted.owners]
    sets = {
        "": _films(judged.known, judged.labels, JUDGED_EACH, random),
        "unknown_": _films(judged.unknown, judged.labels, JUDGED_EACH, random),
        "clean_": _films(judged.known, judged.labels, JUDGED_EACH, random, clean=True),
    }
    labels = judged.labels[sets[""].owners]
    hits: dict[str, NDArray[np.bool_]] = {}
    quality: dict[str, Measurement] = {}
    for who, pool in pools.items():
        compared = who in ("", "mean_")
        rows = pool(fitted)
        for which, films in sets.items():
            if compared or not which:
                hits[which + who] = probe_hits(rows, fitted_labels, pool(films), labels)
        if not compared:
            continue
        near = neighbour_accuracy(train.known.whole, train.labels, pool(sets[""]), labels)
        quality[f"{who}neighbours_10_{part}"] = Measurement(
            value=round(near, 4), dataset=stills_of, method="of photographs, to each film"
        )
    again = [probe_hits(pool(fitted), fitted_labels, pool(sets[""]), labels).mean() for pool in others]
    seeds = "".join(f"; another seed {value:.4f}" for value in again)
    for name, right in hits.items():
        low, high = interval(right, random)
        quality[f"{name}linear_probe_{part}"] = Measurement(
            value=round(float(right.mean()), 4),
            dataset=films_of,
            method=f"fitted on films of split train; 95 % [{low:.4f}, {high:.4f}]{seeds if not name else ''}",
        )
    for which in sets:
        gain = hits[which].astype(float) - hits[f"{which}mean_"]
        low, high = interval(gain, random)
        quality[f"{which}gain_over_mean_{part}"] = Measurement(
            value=round(float(gain.mean()), 4),
            dataset=films_of,
            method=f"difference of linear probes; 95 % [{low:.4f}, {high:.4f}], bootstrap over photographs",
        )
    return quality


def evaluate_sound(
    pool: Pool, train: Judged, judged: Judged, clips: Labelled, sounds: Floats, part: str, seed: int
) -> dict[str, Measurement]:
    """What is left of pictures and of sound in the whole vector, where neither tells of the other.

    Each film gets a clip by chance, of one fold where it is judged and of the others where the probe is
    fitted, five times.
    """
    random = np.random.default_rng(seed)
    fitted, films = (
        _films(train.known, train.labels, 1, random),
        _films(judged.known, judged.labels, JUDGED_EACH, random),
    )
    seen, shown = pool(fitted), pool(films)
    scores: dict[str, list[float]] = {"picture": [], "sound": []}
    for fold in sorted(set(clips.parts)):
        inside = clips.parts == fold
        heard = random.choice(np.flatnonzero(~inside), len(seen))
        played = random.choice(np.flatnonzero(inside), len(shown))
        rows, test = unit(np.hstack([seen, sounds[heard]])), unit(np.hstack([shown, sounds[played]]))
        scores["picture"].append(
            linear_probe(rows, train.labels[fitted.owners], test, judged.labels[films.owners])
        )
        scores["sound"].append(linear_probe(rows, clips.labels[heard], test, clips.labels[played]))
    notes = {
        "picture": "the class of the photographs, from the whole vector with a sound by chance",
        "sound": "the class of the sound, from the whole vector; the audio encoder has seen the clips",
    }
    return {
        f"whole_{what}_linear_probe_{part}": Measurement(
            value=round(float(np.mean(values)), 4),
            dataset=f"made-up films of {part} with clips of ESC-10, 5 folds",
            method=notes[what],
        )
        for what, values in scores.items()
    }


def interval(values: NDArray[np.generic], random: np.random.Generator) -> tuple[float, float]:
    """The 95 % interval of the mean of ``values`` [photographs x films of each], over photographs."""
    by_photograph = values.reshape(-1, JUDGED_EACH).mean(axis=1)
    drawn = random.integers(0, len(by_photograph), (_RESAMPLES, len(by_photograph)))
    low, high = np.quantile(by_photograph[drawn].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def _films(
    vectors: FrameVectors,
    labels: NDArray[np.int64],
    each: int,
    random: np.random.Generator,
    *,
    clean: bool = False,
) -> Films:
    """``each`` films of every photograph, those of one photograph side by side."""
    return make_films(vectors, labels, np.repeat(np.arange(len(labels)), each), random, clean=clean)
