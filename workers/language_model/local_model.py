"""A causal language model in this process: a thread of its own decodes, never the event loop.

What decodes is imported only where it is to be used.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

import structlog

from streams.errors import ConfigurationError
from streams.language_model_settings import LanguageModelSettings
from workers.language_model.transport import Completion, Message, NoAnswerError, Outcome

# Where exports for ONNX Runtime keep their graph, as Optimum and transformers.js have it.
ONNX_FILES: Final = ("model.onnx", "onnx/model.onnx")

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

    Args:
        name: A folder or a name on the hub.
        load: Loads it, on the thread.

    Raises:
        ConfigurationError: On entering: there is none, it is not a causal language model, or the extra that
            it needs is not installed.
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
        self._executor: ThreadPoolExecutor | None = None
        self._decoder: Decoder | None = None
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
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="language-model")
        loop = asyncio.get_running_loop()
        try:
            self._decoder = await loop.run_in_executor(
                self._executor, self._load, self._name, self._settings.local_threads
            )
        except BaseException:
            self._executor.shutdown(wait=False)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._current is not None:
            self._current.set()
        if self._executor is not None:
            # Until the token that it works on is there.
            await asyncio.to_thread(self._executor.shutdown, cancel_futures=True)

    async def complete(
        self, messages: Sequence[Message], schema: Mapping[str, Any], user: str | None
    ) -> Completion:
        """See `Transport.complete`. Schema and user are not heeded; the answer is checked all the same."""
        if self._executor is None or self._decoder is None:
            raise AssertionError("the model is used before it is opened")
        unwanted = self._current = threading.Event()
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._executor, self._decoder.decode, messages, self._settings.max_tokens, unwanted.is_set
            )
        except PromptTooLongError as error:
            raise NoAnswerError("too_long", str(error)) from None
        except Exception as error:
            _log.warning("the local language model failed", exc_info=error)
            raise NoAnswerError("failed", type(error).__name__) from None
        finally:
            unwanted.set()


def load_decoder(name: str, threads: int) -> Decoder:
    """Load a folder's ONNX export, or else the weights by transformers.

    Raises:
        ConfigurationError: See `LocalModel`.
    """
    folder = Path(name).expanduser()
    graph = next((folder / one for one in ONNX_FILES if (folder / one).is_file()), None)
    extra = "llm-torch" if graph is None else "llm-onnx"
    try:
        if graph is not None:
            from workers.language_model.onnx_decoder import OnnxDecoder

            return OnnxDecoder(folder, graph, threads)
        from workers.language_model.torch_decoder import TorchDecoder

        return TorchDecoder(str(folder) if folder.is_dir() else name, threads)
    except ImportError as error:
        raise ConfigurationError(
            f"language_model.local is `{name}`, which needs the package `{error.name}`: "
            f"pip install 'freshet[{extra}]'"
        ) from error
    except ConfigurationError:
        raise
    except Exception as error:
        # Files of a stranger, read by libraries that name no errors of their own.
        raise ConfigurationError(
            f"language_model.local is `{name}`, and cannot be loaded as a causal language model: "
            f"{' '.join(str(error).split())[:300] or type(error).__name__}"
        ) from error
