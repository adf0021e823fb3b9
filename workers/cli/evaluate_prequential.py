"""`freshet evaluate prequential`: a log replayed, each event ranked before it is learned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workers.cli.invocation import invocation
from workers.cli.output import console, note, table, write_json
from workers.cli.report_options import cache_option, from_topics_option, output_options, require_one_source
from workers.exit_codes import BAD_INPUT, OK

if TYPE_CHECKING:
    from models.datasets import Dataset
    from streams.fields import Modality
    from streams.settings import Settings
    from workers.evaluation.agreement import Agreement

MODALITY_NAMES = ("text", "image", "audio", "video")
RANKER_NAMES = ("base", "cascade")


def _modalities(_: click.Context, __: click.Parameter, text: str) -> tuple[str, ...]:
    chosen = tuple(one.strip() for one in text.split(",") if one.strip())
    unknown = [one for one in chosen if one not in MODALITY_NAMES]
    if unknown or not chosen:
        raise click.BadParameter(f"write a list of {', '.join(MODALITY_NAMES)}, separated by commas")
    return chosen


@dataclass(frozen=True, slots=True)
class _Options:
    """The command's own options."""

    dataset: Path | None
    from_topics: bool
    ranker: str | None
    modalities: tuple[Modality, ...]
    warm_up: int | None
    limit: int | None
    slots: int
    slots_margin: float
    diversity: float
    diversity_by: tuple[str, ...]
    without: tuple[str, ...]
    window: int
    restart_at: int | None
    seed: int
    cache: Path | None
    through_kafka: bool
    events: int
    json_file: Path | None
    report: Path | None


@click.command()
@click.option(
    "--dataset",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="A folder with items.jsonl and events.jsonl in the contract's shapes, or MovieLens-100k.",
)
@from_topics_option
@click.option("--ranker", type=click.Choice(RANKER_NAMES), help="What ranks (default: recommend.ranker).")
@click.option(
    "--modalities",
    default=",".join(MODALITY_NAMES),
    show_default=True,
    metavar="M,…",
    callback=_modalities,
    help="Which modalities of a data set count.",
)
@click.option(
    "--warm-up", type=click.IntRange(min=0), help="Events before the first that is ranked (default: half)."
)
@click.option("--limit", type=click.IntRange(min=1), help="At most so many events after the warm-up.")
@click.option(
    "--slots",
    type=click.IntRange(0, 20),
    default=5,
    show_default=True,
    help="Of the second pass: places of 20 kept for new items …",
)
@click.option(
    "--slots-margin",
    type=click.FloatRange(min=0),
    default=1.6,
    show_default=True,
    help="… whose score lacks no more than this.",
)
@click.option(
    "--diversity",
    type=click.FloatRange(0, 1),
    default=0.3,
    show_default=True,
    help="Of the third pass: the weight of diversity …",
)
@click.option(
    "--diversity-by",
    multiple=True,
    metavar="ATTRIBUTE",
    help="… by this attribute (default: rerank.diversity_by; none: by content). May be repeated.",
)
@click.option(
    "--without",
    multiple=True,
    metavar="NAME",
    help="Do without this candidate source or family of signals, from the start on. May be repeated.",
)
@click.option(
    "--window",
    type=click.IntRange(min=1),
    default=1_000,
    show_default=True,
    help="Ranked events in each point over time.",
)
@click.option(
    "--restart-at",
    type=click.IntRange(min=0),
    metavar="N",
    help="Before the N-th event after the warm-up the workers start anew, from what Kafka would hold.",
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@cache_option
@click.option(
    "--through-kafka", is_flag=True, help="Check that workers make the lists that this process makes."
)
@click.option(
    "--events",
    type=click.IntRange(min=1),
    default=2_000,
    show_default=True,
    help="With --through-kafka: how many events, from the first.",
)
@output_options("the whole report", "tables and plots")
def prequential(**given: Any) -> int:
    """Replay a log of events: rank each positive one before it is learned, and measure.

    Of each positive event after the warm-up, all items that the person has not seen are candidates, and what
    is measured is the rank of the item that was chosen: HR, NDCG and MRR at 10 and 20, overall and for people
    and items that little is known of; coverage, diversity and novelty of the lists; all of it again with
    places for new items and with diversity; what is lost without each part; speed.

    With --through-kafka the first events go through a Kafka, Redis and workers of their own, one after
    another, and each list is compared with that of this process; exit code 1 unless all agree.
    """
    options = _Options(**given)
    require_one_source(options.dataset, from_topics=options.from_topics)
    if options.through_kafka and (options.from_topics or options.report or options.without):
        raise click.UsageError("--through-kafka goes with --dataset, and without --report and --without.")
    if options.report is not None:
        from workers.evaluation.plots import require_matplotlib

        # Before the replay, not after it.
        require_matplotlib()
    dataset = _opened(options.dataset)
    settings = invocation().settings(None if dataset is None else dataset.settings)
    ranker = options.ranker or settings.recommend.ranker
    if options.through_kafka and dataset is not None:
        return _compare(dataset, ranker, options)
    made = _replayed(dataset, settings, ranker, options)
    if options.json_file is not None:
        write_json(made, options.json_file)
    if options.report is not None:
        from workers.evaluation.report import write_report

        for path in write_report(made, options.report):
            note(f"wrote {path}")
    _show(made, is_json_shown=str(options.json_file) == "-")
    return OK


def _opened(folder: Path | None) -> Dataset | None:
    from models.datasets import open_dataset

    return None if folder is None else open_dataset(folder)


def _replayed(dataset: Dataset | None, settings: Settings, ranker: str, options: _Options) -> dict[str, Any]:
    from models.reranking import RerankSettings
    from workers.cli.progress import progress
    from workers.evaluation.contenders import make_contender
    from workers.evaluation.prequential import PrequentialSettings, Replay
    from workers.evaluation.sources import dataset_source, topics_source
    from workers.model_settings import transition_settings

    with progress() as bars:
        source = (
            topics_source(settings, bars)
            if dataset is None
            else dataset_source(dataset, settings, options.modalities, options.cache, bars)
        )
        diversity_by = options.diversity_by or settings.rerank.diversity_by
        protocol = PrequentialSettings(
            warm_up=source.warm_up if options.warm_up is None else options.warm_up,
            limit=options.limit,
            passes={
                "with_slots": RerankSettings(
                    new_item_slots=options.slots, new_item_margin=options.slots_margin
                ),
                "with_diversity": RerankSettings(diversity=options.diversity, diversity_by=diversity_by),
            },
            window=options.window,
            restart_at=options.restart_at,
            seed=options.seed,
            diversity_by=diversity_by,
            objectives=settings.learn.objectives,
        )
        space = str(source.details.get("space", ""))
        contender = make_contender(ranker, source.index, settings, options.without, space)
        replay = Replay(source.index, contender, transition_settings(settings.profile), protocol)
        total = len(source.events)
        if options.limit is not None:
            total = min(total, protocol.warm_up + options.limit)
        replay.run(source.events, lambda done, _: bars("replaying events", done, total))
    return {
        "ranker": ranker,
        "source": source.name,
        "warm_up": protocol.warm_up,
        "without": list(options.without),
        "restart_at": options.restart_at,
        "seed": options.seed,
        **source.details,
        **replay.values(),
    }


def _compare(dataset: Dataset, ranker: str, options: _Options) -> int:
    from workers.cli.progress import progress
    from workers.evaluation.agreement import check_agreement
    from workers.flags import merged

    given = invocation()
    with progress() as bars:
        found = check_agreement(
            dataset,
            merged(dataset.settings, given.flags),
            given.config,
            ranker=ranker,
            modalities=options.modalities,
            events=options.events,
            say=note,
            on_progress=bars,
        )
    if options.json_file is not None:
        write_json(found.values(), options.json_file)
    _show_agreement(found, is_json_shown=str(options.json_file) == "-")
    return OK if found.all_agree else BAD_INPUT


def _show(report: dict[str, Any], *, is_json_shown: bool) -> None:
    from workers.evaluation.report import (
        LIST_METRICS,
        METRICS,
        ablation_rows,
        list_rows,
        speed_rows,
        summary_rows,
    )

    out = console(err=is_json_shown)
    title = f"{report['ranker']} on {report['source']}, {report['n']} events ranked"
    out.print(table(("", *METRICS), summary_rows(report), title))
    out.print(table(("lists", *LIST_METRICS), list_rows(report)))
    rows = ablation_rows(report)
    if rows:
        out.print(table(("taken away at serving", "", "hr@20", "ndcg@20"), rows))
    out.print(table(("speed", ""), speed_rows(report)))
    for refused in report.get("not_encoded", ()):
        note(f"not encoded: {refused}")


def _show_agreement(found: Agreement, *, is_json_shown: bool) -> None:
    out = console(err=is_json_shown)
    out.print(table(("through Kafka", ""), found.rows()))
    for difference in found.differences:
        note(f"differs: {difference}")
