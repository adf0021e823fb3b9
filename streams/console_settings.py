"""Settings of the console: where the web page listens, who may use it, and how much it holds."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

MEBIBYTE = 1 << 20
MIN_TOKEN_CHARACTERS = 16


class ConsoleSettings(BaseModel):
    """The web page, `freshet console`: where it listens, who may use it, and how much it holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(
        "127.0.0.1", description="Beyond loopback the page asks for a token: put it behind TLS there."
    )
    port: int = Field(8787, ge=0, le=65_535, description="0 lets the system choose; it is printed.")
    token: SecretStr | None = Field(
        None,
        description=f"At least {MIN_TOKEN_CHARACTERS} characters. Beyond loopback one is made up and printed "
        "where none is set.",
    )
    allowed_hosts: tuple[str, ...] = Field(
        (), description="Names by which browsers may call it, besides loopback, `host` and IP addresses."
    )
    workers: tuple[str, ...] = Field(
        (), description="Health endpoints whose metrics are shown, for example `http://10.0.0.7:9100`."
    )
    workers_file: Path | None = Field(
        None, description="Where `freshet up` says which workers run; by default its usual data folder."
    )
    reports: Path | None = Field(
        None, description="A folder whose JSON reports of `freshet evaluate` and `freshet bench` are shown."
    )
    max_streams: int = Field(24, ge=1, le=1_000, description="Pages that follow at a time.")
    stream_messages: int = Field(
        256, ge=16, le=10_000, description="Messages that wait for a browser; a slower one is dropped."
    )
    catalogue_items: int = Field(5_000, ge=1, le=100_000, description="Items held, the newest.")
    people: int = Field(
        500, ge=1, le=100_000, description="People held, those who acted last; and as many newest lists."
    )
    media_cache_bytes: int = Field(64 * MEBIBYTE, ge=MEBIBYTE, description="Of media inside messages.")
    refresh_s: float = Field(
        2.0, ge=0.5, le=60, description="How often metrics are read while somebody looks."
    )

    @field_validator("token")
    @classmethod
    def _check_token(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and len(token.get_secret_value()) < MIN_TOKEN_CHARACTERS:
            raise ValueError(f"must have at least {MIN_TOKEN_CHARACTERS} characters")
        return token

    @field_validator("workers")
    @classmethod
    def _check_workers(cls, workers: tuple[str, ...]) -> tuple[str, ...]:
        for url in workers:
            if not url.startswith(("http://", "https://")):
                raise ValueError(f"{url!r} must begin with http:// or https://")
        return workers
