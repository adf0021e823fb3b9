"""`freshet train text`: a text encoder that knows the words of one's own texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workers.cli.encoder_options import encoders_out_option, show_encoder_settings
from workers.cli.invocation import invocation
from workers.cli.output import console, note, print_json, table
from workers.cli.report_options import from_topics_option
from workers.cli.training_data import require_installed, seed_option

if TYPE_CHECKING:
    from workers.cli.progress import Bars

# By name, so that no worker imports `onnx`.
_RUN = "models.training.own_words"
_BUNDLED = "text-distilled-128"
# As much as a text encoder reads of 512 tokens.
_MOST_CHARACTERS = 8_192
_SHOWN_WORDS = 12


@click.command()
@click.option(
    "--dataset",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Titles and descriptions of a folder with items.jsonl and events.jsonl, or of MovieLens-100k.",
)
@from_topics_option
@click.option(
    "--texts",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A text on each line; .gz is unpacked.",
)
@click.option(
    "--encoder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help=f"The text encoder to begin with (default: the bundled {_BUNDLED}).",
)
@encoders_out_option
@click.option("--name", metavar="NAME", help="Of the new encoder (default: that of the other with -own).")
@click.option(
    "--new-words",
    type=click.IntRange(0, 50_000),
    default=2_000,
    show_default=True,
    help="How many words become tokens, at most.",
)
@click.option("--epochs", type=click.IntRange(min=1), default=5, show_default=True)
@click.option(
    "--licence",
    metavar="NAME",
    default="of the deployment",
    show_default=True,
    help="Of the texts, for the manifest.",
)
@seed_option
@click.option("--json", "as_json", is_flag=True, help="As a JSON object.")
def text(
    dataset: Path | None,
    from_topics: bool,
    texts: Path | None,
    encoder: Path | None,
    out: Path,
    name: str | None,
    new_words: int,
    epochs: int,
    licence: str,
    seed: int,
    as_json: bool,
) -> None:
    """Teach a text encoder the words of your own texts.

    Words that are frequent in them, and that the encoder knows by their pieces alone, become tokens; they and
    the words around them are trained on their contexts (skip-gram with negative sampling), held to what they
    were. Writes another encoder, measured on texts that it has not learned from. Only encoders that sum the
    vectors of word pieces can learn so, as the bundled one does. Needs the extra `train`, though not PyTorch.
    """
    if (dataset is not None) + from_topics + (texts is not None) != 1:
        raise click.UsageError("Name one of --dataset, --texts and --from-topics.")
    require_installed(("onnx",), "train")
    found = _trained(
        (dataset, texts),
        encoder,
        out,
        name,
        {"new_words": new_words, "epochs": epochs},
        licence,
        seed,
    )
    if as_json:
        print_json(found)
        return
    rows = list(found["quality"].items())
    console().print(table(("measured on held-out texts", "value"), rows, found["name"]))
    shown = ", ".join(found["words"][:_SHOWN_WORDS]) + (" …" if len(found["words"]) > _SHOWN_WORDS else "")
    note(f"{len(found['words']):,} words were added: {shown}" if found["words"] else "no word was added")
    show_encoder_settings(out, {"text": found["name"]})


def _trained(
    source: tuple[Path | None, Path | None],
    encoder: Path | None,
    out: Path,
    name: str | None,
    settings: dict[str, Any],
    licence: str,
    seed: int,
) -> dict[str, Any]:
    from models.encoders.loading import BUNDLED_FOLDER
    from models.encoders.manifest import read_manifest
    from models.export.writing import encoder_name
    from workers.cli.progress import progress

    base = encoder or BUNDLED_FOLDER / _BUNDLED
    wanted = encoder_name(name or f"{read_manifest(base).name}-own")
    with progress() as bars:
        texts, where = _read(*source, bars)
        run = import_module(_RUN)
        found: dict[str, Any] = run.train_own_words(
            base, run.OwnTexts(texts, where, licence), settings, seed, wanted, out, bars
        )
    return found


def _read(dataset: Path | None, file: Path | None, bars: Bars) -> tuple[Iterable[str], str]:
    """Texts that say something, and the name of where they are from."""
    if file is not None:
        return filter(None, map(_clean, _lines(file))), file.name
    if dataset is not None:
        from models.datasets import open_dataset
        from models.preprocessing.text import item_text

        opened = open_dataset(dataset)
        items = (item_text(one.title, one.description, _MOST_CHARACTERS) for one in opened.items())
        return filter(None, items), opened.name
    from workers.evaluation.retained_texts import retained_texts

    settings = invocation().settings()
    retained = retained_texts(settings, _MOST_CHARACTERS, lambda read: bars("reading items", read, None))
    if retained.refused:
        note(f"left out: {retained.refused:,} messages of `items` are no valid items")
    return retained.texts, f"the topic {settings.topics.prefix}items"


def _lines(file: Path) -> Iterator[str]:
    from models.datasets.lines import naming, text_lines

    for number, line in text_lines(file):
        with naming(file, number):
            text = line.decode()
        yield text


def _clean(line: str) -> str:
    from models.preprocessing.text import clean_text

    return clean_text(line, _MOST_CHARACTERS)
