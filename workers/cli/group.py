"""The commands by name."""

from __future__ import annotations

import click

from workers.cli.invocation import Invocation, add_common_options
from workers.cli.lazy_group import LazyGroup

# Command: where it is, and what it does in a line. A module holds a command of its own name.
COMMANDS = {
    "up": ("workers.cli.up", "Start Kafka, Redis and every role on this machine."),
    "demo": ("workers.cli.demo", "See lists follow what people do, in a temporary folder."),
    "worker": ("workers.cli.worker", "Run one role in this process, or several as child processes."),
    "console": ("workers.cli.console", "Serve the web page: try it, watch the flow, see the map."),
    "publish": ("workers.cli.publish", "Publish items or events from JSON lines."),
    "recommend": ("workers.cli.recommend", "Ask for a person's list."),
    "watch": ("workers.cli.watch", "Follow the lists as they are published."),
    "evaluate": ("workers.cli.evaluate", "Measure how good lists are, on a log of events or on outcomes."),
    "train": ("workers.cli.train", "Train models from a data set; writes a bundle that workers load."),
    "bench": ("workers.cli.bench", "Measure how fast Freshet is on this machine, beside baselines."),
    "topics": ("workers.cli.topics", "Create or list the topics."),
    "dead-letters": ("workers.cli.dead_letters", "See and replay what could not be processed."),
    "forget": ("workers.cli.forget", "Remove a person everywhere, and show the receipt."),
    "export": ("workers.cli.export", "Give all that is held on a person."),
    "acls": ("workers.cli.acls", "Print the least permissions that each role needs."),
    "encoders": ("workers.cli.encoders", "See, check and add encoders."),
    "models": ("workers.cli.models", "Bring a model into the running stream, see which serves, go back."),
    "doctor": ("workers.cli.doctor", "Check everything that Freshet needs, and say what to do."),
}


@click.group(
    cls=LazyGroup,
    modules=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Settings come from freshet.toml, then FRESHET_… variables, then these flags, which every command "
    "takes too. Exit codes: 0 done, 1 bad input or a failed check, 2 usage or configuration, 3 Kafka or "
    "Redis does not answer, 70 a defect of Freshet.",
)
@click.version_option(package_name="freshet", prog_name="freshet")
@click.pass_context
def freshet(context: click.Context) -> None:
    """A streaming multimodal recommender on Kafka: items and events in, recommendations out."""
    context.ensure_object(Invocation)


add_common_options(freshet)
