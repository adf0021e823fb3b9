"""Messages as the tokens that a model was trained to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workers.language_model.transport import Message


class ChatPrompts:
    """Writes messages by the chat template of a model's tokenizer; without one, as paragraphs.

    Args:
        tokenizer: Of transformers.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        added = tokenizer.added_tokens_decoder.values()
        self._special = sorted({str(one) for one in added if one.special} - {""}, key=len, reverse=True)

    def tokens(self, messages: Sequence[Message]) -> list[int]:
        """The ids of the prompt's tokens, up to where the answer begins."""
        plain = [{"role": one["role"], "content": self._without_special(one["content"])} for one in messages]
        if self._tokenizer.chat_template is None:
            text = "".join(f"{one['content']}\n\n" for one in plain)
        else:
            text = self._templated(plain)
        return list(self._tokenizer.encode(text, add_special_tokens=self._tokenizer.chat_template is None))

    def _templated(self, messages: list[dict[str, str]]) -> str:
        from jinja2.exceptions import TemplateError

        try:
            return self._filled(messages)
        except TemplateError:
            # Some models know no system message: it is told with the first one.
            first, second, *rest = messages
            joined = {"role": second["role"], "content": f"{first['content']}\n\n{second['content']}"}
            return self._filled([joined, *rest])

    def _filled(self, messages: list[dict[str, str]]) -> str:
        text: str = self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return text

    def _without_special(self, content: str) -> str:
        """The content without what the tokenizer would read as the end of it, or as another one's turn."""
        for token in self._special:
            content = content.replace(token, " ")
        return content

    def text(self, tokens: Sequence[int]) -> str:
        """What an answer's tokens say."""
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True)
        return text
