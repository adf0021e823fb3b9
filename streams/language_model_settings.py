"""Settings of the language model: where it is, what it may be told of people, and what it may cost."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator


class LanguageModelSettings(BaseModel):
    """An endpoint that speaks OpenAI's chat completions (hosted, vLLM, Ollama, llama.cpp), or a model in
    the process.

    An endpoint needs the extra `llm`. Budgets hold for each worker, and begin anew with it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str | None = Field(None, description="For example `http://127.0.0.1:11434/v1`.")
    api_key: SecretStr | None = None
    model: str | None = Field(None, description="Its name; of a local one, what explanations call it.")
    local: str | None = Field(
        None,
        description="Instead of an endpoint, a causal language model in the worker's own process: a folder "
        "that holds one, as an ONNX export (extra `llm-onnx`) or as safetensors (extra `llm-torch`), or a "
        "name on the Hugging Face hub (`llm-torch`), which is then fetched.",
    )
    local_threads: int = Field(
        1, ge=1, le=256, description="Threads of a local model; what else runs there needs some as well."
    )
    response_format: Literal["json_schema", "json_object", "none"] = Field(
        "json_schema", description="What the endpoint understands; the answer is checked all the same."
    )
    vocabulary: Literal["closed", "open"] = Field(
        "closed",
        description="`closed`: every word is of the facts or of a list of plain words. `open`: any words, "
        "and explanations say `grounded: false`.",
    )
    personal_fields: tuple[Literal["past_items", "actions", "user_id", "query"], ...] = Field(
        ("past_items",),
        description="What of a person the endpoint may be told; `query.negations` needs `query`.",
    )
    written_items: int = Field(5, ge=1, le=500, description="Of a list, the items that the model writes for.")
    timeout_s: float = Field(10.0, gt=0, le=600, description="Of one try, from connecting to the last byte.")
    attempts: int = Field(3, ge=1, le=10, description="Tries of one call, where it fails or times out.")
    first_wait_s: float = Field(
        0.5, ge=0, le=60, description="Before the second try; doubles, with jitter. `Retry-After` counts."
    )
    longest_wait_s: float = Field(10.0, ge=0, le=600, description="A longer `Retry-After` is a failure.")
    list_timeout_s: float = Field(
        20.0, gt=0, le=3_600, description="Items of a list without words by then get them from templates."
    )
    concurrency: int = Field(4, ge=1, le=256, description="Calls at a time; of a local model always one.")
    waiting_calls: int = Field(
        64, ge=0, le=10_000, description="Calls that wait for their turn; beyond, there is no answer at once."
    )
    max_tokens: int = Field(200, ge=16, le=16_384, description="Of one answer.")
    temperature: float = Field(0.3, ge=0, le=2, description="A local model always takes the likeliest.")
    tokens_per_minute: int = Field(100_000, ge=0, description="0 sets no limit.")
    tokens_per_day: int = Field(5_000_000, ge=0, description="0 sets no limit.")
    prompt_price: float = Field(0.0, ge=0, description="Of a million tokens read, in any currency.")
    completion_price: float = Field(0.0, ge=0, description="Of a million tokens written, in the same.")
    breaker_failures: int = Field(
        5, ge=1, description="Tries in a row that fail, after which none is made for `breaker_pause_s`."
    )
    breaker_pause_s: float = Field(30.0, gt=0, description="Then one try shows whether it works again.")
    cache_entries: int = Field(20_000, ge=0, description="Words kept, by item and reason.")
    refused_retention_s: float = Field(
        3_600.0,
        ge=0,
        description="For so long an item and reason that no answer passed for is not asked about.",
    )

    @field_validator("base_url")
    @classmethod
    def _check_url(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return url

    @model_validator(mode="after")
    def _check_both(self) -> Self:
        if self.local is not None and self.base_url is not None:
            raise ValueError("base_url and local are two models: set one")
        if self.local is None and (self.base_url is None) != (self.model is None):
            raise ValueError("base_url and model go together: set both")
        return self
