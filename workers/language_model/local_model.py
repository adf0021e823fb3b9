"""A causal language model in this process: a thread of its own decodes, never the event loop.

What decodes is imported only where it is to be used.
"""

from __future__ import annotations

import asyncio
import importlib.util
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

import structlog

from streams.errors import ConfigurationError
from streams.language_model_settings import LanguageModelSettings
from workers.daemon_thread import DaemonThread
from workers.language_model.transport import Completion, Message, NoAnswerError, Outcome

# Where exports for ONNX Runtime keep their graph, as Optimum and transformers.js have it.
ONNX_FILES: Final = ("model.onnx", "onnx/model.onnx")
_PACKAGES: Final = {"llm-onnx": ("onnxruntime", "transformers"), "llm-torch": ("torch", "transformers")}
# For the token that it works on; a model that is still being loaded is left to itself.
END_WAIT_S: Final = 5.0

_log = structlog.get_logger()


class PromptTooLongError(ValueError):
    """The model has no room for the prompt and its answer."""


def check_room(prompt_tokens: int, max_tokens: int, room: int | None) -> None:
    """Check that prompt and answer fit.

    Args:
        room: Tokens that the model can read; None where it does not say.

    Raises:
        PromptTooLongError: They do not.
    """
    if room is not None and prompt_tokens + max_tokens > room:
        raise PromptTooLongError(
            f"the prompt has {prompt_tokens} tokens, the answer up to {max_tokens}, the model room for {room}"
        )


class Decoder(Protocol):
    """A loaded model. Used from one thread."""

    def decode(
        self, messages: Sequence[Message], max_tokens: int, is_unwanted: Callable[[], bool]
    ) -> Completion:
        """The likeliest answer, token after token.

        Args:
            max_tokens: Of the answer.
            is_unwanted: Asked at each token: whether nobody waits any more.

        Raises:
            PromptTooLongError: See there.
            Exception: Whatever else the model's runtime raises.
        """


class LocalModel:
    """A model in this process, as an asynchronous context manager; see `Transport`.

    A call whose time is over ends at the next token, and so does one that is cancelled: the thread is free
    for the next one. Prompts are told without special tokens, whatever stands in them.

    Entering looks whether it can be loaded, and begins to: until then calls get no answer (`loading`), and
    none ever (`failed`) where it cannot be after all. The log says so.

    Args:
        name: A folder or a name on the hub.
        load: Loads it, on the thread.

    Raises:
        ConfigurationError: On entering: the folder is none or holds no model, or the extra that it needs is
            not installed.
    """

    def __init__(
        self,
        name: str,
        settings: LanguageModelSettings,
        load: Callable[[str, int], Decoder] | None = None,
    ) -> None:
        self._name = name
        self._settings = settings
        self._load = load or load_decoder
        self._thread: DaemonThread | None = None
        self._loading: asyncio.Future[Decoder] | None = None
        self._current: threading.Event | None = None

    @property
    def model(self) -> str:
        """See `Transport.model`. Without one that is set, the last part of the folder's or hub's name."""
        return self._settings.model or Path(self._name).name

    @property
    def may_pass(self) -> frozenset[Outcome]:
        """See `Transport.may_pass`: none, as the likeliest answer is the same again."""
        return frozenset()

    async def __aenter__(self) -> Self:
        check_loadable(self._name)
        self._thread = DaemonThread("language-model")
        self._loading = self._thread.run(self._load, self._name, self._settings.local_threads)
        self._loading.add_done_callback(_tell)
        return self

    async def is_ready(self) -> None:
        """See `Transport.is_ready`."""
        if self._loading is not None:
            await asyncio.shield(self._loading)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._current is not None:
            self._current.set()
        if self._loading is not None and not self._loading.done():
            self._loading.cancel()
            wait_s = 0.0
        else:
            wait_s = END_WAIT_S
        if self._thread is not None:
            await self._thread.end(wait_s)

    async def complete(
        self, messages: Sequence[Message], schema: Mapping[str, Any], user: str | None
    ) -> Completion:
        """See `Transport.complete`. Schema and user are not heeded; the answer is checked all the same."""
        if self._thread is None or self._loading is None:
            raise AssertionError("the model is used before it is opened")
        if not self._loading.done():
            raise NoAnswerError("loading", "it is being loaded")
        if self._loading.cancelled() or self._loading.exception() is not None:
            raise NoAnswerError("failed", "it could not be loaded")
        unwanted = self._current = threading.Event()
        try:
            return await self._thread.run(
                self._loading.result().decode, messages, self._settings.max_tokens, unwanted.is_set
            )
        except PromptTooLongError as error:
            raise NoAnswerError("too_long", str(error)) from None
        except Exception as error:
            _log.warning("the local language model failed", exc_info=error)
            raise NoAnswerError("failed", type(error).__name__) from None
        finally:
            unwanted.set()


def _tell(loading: asyncio.Future[Decoder]) -> None:
    """Say in the log what became of loading."""
    if loading.cancelled():
        return
    error = loading.exception()
    if error is None:
        _log.info("the local language model is loaded")
    else:
        _log.error("the local language model cannot be loaded: all goes on without it", error=str(error))


def _graph(folder: Path) -> Path | None:
    return next((folder / one for one in ONNX_FILES if (folder / one).is_file()), None)


def check_loadable(name: str) -> None:
    """Look whether a model could be loaded, in no time: nothing is imported or read.

    Raises:
        ConfigurationError: The folder is none or holds no model, or a package is missing.
    """
    folder = Path(name).expanduser()
    graph = _graph(folder)
    if graph is None and not (folder / "config.json").is_file():
        # A name on the hub is `model` or `owner/model`.
        if folder.is_dir():
            raise ConfigurationError(
                f"language_model.local is `{name}`, a folder without a model: there is neither "
                f"{' nor '.join(ONNX_FILES)} nor config.json"
            )
        if name.startswith(("/", ".", "~")) or name.count("/") > 1:
            raise ConfigurationError(f"language_model.local is `{name}`: there is no such folder")
    extra = "llm-torch" if graph is None else "llm-onnx"
    for package in _PACKAGES[extra]:
        if importlib.util.find_spec(package) is None:
            raise _missing(name, package, extra)


def _missing(name: str, package: str | None, extra: str) -> ConfigurationError:
    return ConfigurationError(
        f"language_model.local is `{name}`, which needs the package `{package}`: "
        f"pip install 'freshet[{extra}]'"
    )


def load_decoder(name: str, threads: int) -> Decoder:
    """Load a folder's ONNX export, or else the weights by transformers.

    Raises:
        ConfigurationError: See `LocalModel`.
    """
    folder = Path(name).expanduser()
    graph = _graph(folder)
    extra = "llm-torch" if graph is None else "llm-onnx"
    try:
        if graph is not None:
            from workers.language_model.onnx_decoder import OnnxDecoder

            return OnnxDecoder(folder, graph, threads)
        from workers.language_model.torch_decoder import TorchDecoder

        return TorchDecoder(str(folder) if folder.is_dir() else name, threads)
    except ImportError as error:
        raise _missing(name, error.name, extra) from error
    except ConfigurationError:
        raise
    except Exception as error:
        # Files of a stranger, read by libraries that name no errors of their own.
        raise ConfigurationError(
            f"language_model.local is `{name}`, and cannot be loaded as a causal language model: "
            f"{' '.join(str(error).split())[:300] or type(error).__name__}"
        ) from error
