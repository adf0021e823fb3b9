"""`freshet evaluate language-model`: whether the model that is set helps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from workers.cli.invocation import invocation
from workers.cli.output import console, note, table, write_json
from workers.cli.report_options import cache_option
from workers.exit_codes import BAD_INPUT, OK

if TYPE_CHECKING:
    from workers.evaluation.language_model_stages import StageReport


@click.command()
@click.option(
    "--stage",
    type=click.Choice(["refine", "enrich"]),
    required=True,
    help="Lists in the model's order, or items with what it tells of their texts.",
)
@click.option(
    "--dataset",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FOLDER",
    help="A folder with items.jsonl and events.jsonl in the contract's shapes, or MovieLens-100k.",
)
@click.option("--ranker", type=click.Choice(["base", "cascade"]), default="base", show_default=True)
@click.option(
    "--warm-up", type=click.IntRange(min=0), help="Events before the first that counts (default: half)."
)
@click.option(
    "--cases",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="Choices of people that are looked at; to refine, the calls that are made.",
)
@click.option(
    "--items",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    help="To enrich: items that the model is asked about, the first of the data set, a call each.",
)
@cache_option
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Write the report as JSON; - is standard output.",
)
def language_model(
    stage: Literal["refine", "enrich"],
    dataset: Path,
    ranker: str,
    warm_up: int | None,
    cases: int,
    items: int,
    cache: Path | None,
    json_file: Path | None,
) -> int:
    """Ask the language model of the settings, and compare where what people chose next stands.

    To refine: the same lists as they are, and in the model's order, of choices that were among the first
    `refine.items`. To enrich: lists by the items' own texts, and by texts with what the model tells of them.
    Time-outs and checks are those of production, and what fails them changes nothing; budgets of tokens and
    the circuit breaker are not, so that the model is measured and not they. It is the endpoint or local model
    of the section `language_model`; what it costs is up to --cases and --items.

    Exit code 1 where there is nothing to compare.
    """
    from asyncio import Runner

    from models.datasets import open_dataset
    from workers.cli.progress import progress
    from workers.evaluation.language_model_stages import measure_enriching, measure_refining, unbounded
    from workers.evaluation.sources import dataset_source
    from workers.language_model.metrics import LanguageModelMetrics
    from workers.language_model.model import LanguageModel

    data = open_dataset(dataset)
    settings = invocation().settings(data.settings)
    # Signals stay with the command: a model that is asked in a thread of its own ends with it.
    with Runner() as runner, progress() as bars:
        model = LanguageModel(unbounded(settings.language_model), LanguageModelMetrics("evaluate"))
        runner.run(model.__aenter__())
        try:
            runner.run(model.is_ready())
            source = dataset_source(data, settings, ["text"], cache, bars)
            begin = source.warm_up if warm_up is None else warm_up
            if stage == "refine":
                report = measure_refining(
                    data,
                    source.index,
                    source.events,
                    settings,
                    model,
                    runner,
                    ranker=ranker,
                    warm_up=begin,
                    cases=cases,
                    on_progress=bars,
                )
            else:
                report = measure_enriching(
                    data,
                    source.events,
                    settings,
                    model,
                    runner,
                    ranker=ranker,
                    warm_up=begin,
                    cases=cases,
                    items=items,
                    cache=cache,
                    on_progress=bars,
                )
        finally:
            runner.run(model.__aexit__(None, None, None))
    if json_file is not None:
        write_json(report, json_file)
    _show(report, is_json_shown=str(json_file) == "-")
    return OK if report.comparison.cases else BAD_INPUT


def _show(report: StageReport, *, is_json_shown: bool) -> None:
    found = report.comparison
    if not found.cases:
        note("nothing to compare: no choice after the warm-up stood in a list")
        return
    rows = [
        (name, found.before[name], found.after[name], found.after[name] - found.before[name])
        for name in found.before
    ]
    title = (
        f"{report.stage} with {report.model}, {report.ranker}: {found.cases} choices of {found.people} people"
    )
    console(err=is_json_shown).print(table(("", "without the model", "with it", "difference"), rows, title))
    if found.difference is not None:
        low, high = found.difference.low, found.difference.high
        verdict = "helps" if low > 0 else "harms" if high < 0 else "cannot be told from doing nothing"
        note(f"mrr: 95 % interval of the difference {low:+.4f} to {high:+.4f}: it {verdict}")
    outcomes = ", ".join(f"{count} {name}" for name, count in sorted(report.outcomes.items()))
    asked = sum(report.outcomes.values())
    note(f"asked {asked} times ({outcomes or 'never'}), {report.asked_s / max(1, asked):.3f} s each")
    if report.not_asked:
        note(f"not asked of {report.not_asked}: they stay as they were")
    if report.details:
        note(", ".join(f"{count} {name}" for name, count in report.details.items()))
