"""Every setting, typed, in one place: `freshet.toml`, then `FRESHET_…` variables, then flags.

A nested setting is named with two underscores in a variable: ``FRESHET_KAFKA__BOOTSTRAP_SERVERS``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from streams.cascade_settings import (
    ExperimentSettings,
    InteractionSettings,
    JoinSettings,
    LearnSettings,
    RerankSettings,
    SourceSettings,
)
from streams.console_settings import ConsoleSettings
from streams.enrich_settings import EnrichSettings
from streams.errors import ConfigurationError
from streams.explain_settings import ExplainSettings
from streams.fields import Modality
from streams.language_model_settings import LanguageModelSettings
from streams.privacy_settings import PrivacySettings
from streams.query_settings import QuerySettings
from streams.refine_settings import RefineSettings
from streams.swap_settings import ModelSettings

MEBIBYTE = 1 << 20


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KafkaSettings(_Section):
    """Where Kafka is, and how to be let in."""

    bootstrap_servers: str = "127.0.0.1:9092"
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    ssl_ca_file: Path | None = None
    ssl_certificate_file: Path | None = None
    ssl_key_file: Path | None = None
    ssl_key_password: SecretStr | None = None
    ssl_check_hostname: bool = True
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    replication_factor: int = Field(1, ge=1, description="Of the topics that Freshet creates.")
    session_timeout_s: float = Field(10.0, gt=0)
    heartbeat_interval_s: float = Field(3.0, gt=0)
    max_poll_interval_s: float = Field(300.0, gt=0)
    request_timeout_s: float = Field(20.0, gt=0)


class RedisSettings(_Section):
    """Where Redis is. TLS by a `rediss://` URL."""

    url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    ca_file: Path | None = None
    timeout_s: float = Field(5.0, gt=0)


class TopicSettings(_Section):
    """Names, partitions and retention of topics."""

    prefix: str = Field("freshet.", pattern=r"^[a-zA-Z0-9._-]{0,100}$")
    user_partitions: int = Field(12, ge=1, le=1_000)
    item_partitions: int = Field(12, ge=1, le=1_000)
    retention_days: float = Field(7.0, gt=0)
    delete_retention_hours: float = Field(24.0, gt=0)
    dead_letter_bytes_per_minute: int = Field(
        64 * MEBIBYTE,
        ge=0,
        description="Of one worker; beyond, dead letters over 4 kB come without their payload.",
    )


class MediaSettings(_Section):
    """What media may be fetched from where, and how large they may be."""

    file_roots: tuple[Path, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    allow_private_addresses: bool = False
    allowed_schemes: tuple[str, ...] = ("file", "http", "https")
    inline_max_bytes: int = Field(4 * MEBIBYTE, ge=1)
    image_max_bytes: int = Field(20 * MEBIBYTE, ge=1)
    audio_max_bytes: int = Field(50 * MEBIBYTE, ge=1)
    video_max_bytes: int = Field(200 * MEBIBYTE, ge=1)
    max_pixels: int = Field(50_000_000, ge=1)
    audio_max_s: float = Field(30.0, gt=0, description="What is beyond is not decoded.")
    video_max_s: float = Field(600.0, gt=0)
    video_frames: int = Field(8, ge=1, le=64)
    max_media_per_modality: int = Field(4, ge=1, le=16, description="Further media of an item are ignored.")
    fetch_deadline_s: float = Field(15.0, gt=0)
    fetch_attempts: int = Field(3, ge=1, le=10)
    max_redirects: int = Field(3, ge=0, le=10)
    decode_timeout_s: float = Field(20.0, gt=0)
    decode_memory_bytes: int = Field(1_024 * MEBIBYTE, ge=64 * MEBIBYTE)
    decode_processes: int = Field(1, ge=1, le=64)
    text_max_characters: int = Field(20_000, ge=1)


class EncoderSettings(_Section):
    """Which encoder serves each modality, and where further ones lie."""

    text: str = "text-distilled-128"
    image: str = "image-cnn-64"
    audio: str = "audio-gru-64"
    video: str = "video-attention-128"
    folders: tuple[Path, ...] = ()
    threads: int = Field(1, ge=1, le=256)
    batch_size: int = Field(32, ge=1, le=1_024)
    batch_wait_ms: float = Field(5.0, ge=0, le=1_000)

    def name_for(self, modality: Modality) -> str:
        """The encoder in use for a modality."""
        return str(getattr(self, modality))


class FusionSettings(_Section):
    """How much each modality weighs in the fused vector; or a trained fusion, which knows by itself."""

    text: float = Field(1.0, ge=0)
    image: float = Field(1.0, ge=0)
    audio: float = Field(1.0, ge=0)
    video: float = Field(1.0, ge=0)
    bundle: Path | None = Field(
        None,
        description="Folder of a trained fusion, from `freshet train fusion`; weights do not count then.",
    )


class ActionSettings(_Section):
    """What an action says of a person's taste.

    ``weight`` is multiplied by ``(value − value_neutral) / (value_full − value_neutral)``, held within
    [−1, 1], where the event has a value and both ends are set.
    """

    weight: float = Field(ge=-100, le=100)
    marks_seen: bool = True
    may_repeat: bool = Field(False, description="The item may be recommended again afterwards.")
    value_neutral: float | None = None
    value_full: float | None = None

    @model_validator(mode="after")
    def _check_ends(self) -> Self:
        if self.value_neutral is not None and self.value_neutral == self.value_full:
            raise ValueError(f"value_neutral and value_full are both {self.value_full}: a value says nothing")
        return self


def _default_actions() -> dict[str, ActionSettings]:
    return {
        "view": ActionSettings(weight=0.3, marks_seen=False),
        "click": ActionSettings(weight=1.0),
        "play": ActionSettings(weight=1.5, value_neutral=0.0, value_full=1.0),
        "like": ActionSettings(weight=2.0),
        "dislike": ActionSettings(weight=-2.0),
        "skip": ActionSettings(weight=-0.5),
        "add_to_cart": ActionSettings(weight=2.0),
        "purchase": ActionSettings(weight=3.0),
        "rate": ActionSettings(weight=2.0, value_neutral=2.5, value_full=5.0),
    }


class ProfileSettings(_Section):
    """How a profile remembers."""

    history_items: int = Field(200, ge=1, le=10_000)
    short_half_life_hours: float = Field(6.0, gt=0)
    long_half_life_days: float = Field(30.0, gt=0)
    short_share: float = Field(0.5, ge=0, le=1, description="Of the taste, the part that is recent.")
    actions: dict[str, ActionSettings] = Field(
        default_factory=_default_actions,
        description="Those that are named here; the others stay as they are.",
    )
    other_action: ActionSettings = Field(
        default_factory=lambda: ActionSettings(weight=0.0, marks_seen=False),
        description="For an action that is not in `actions`.",
    )
    max_event_clock_skew_s: float = Field(300.0, ge=0)

    @field_validator("actions")
    @classmethod
    def _keep_defaults(cls, actions: dict[str, ActionSettings]) -> dict[str, ActionSettings]:
        return _default_actions() | actions


class RecommendSettings(_Section):
    """How lists are made."""

    max_cause_age_s: float = Field(600.0, gt=0, description="An older event updates state, silently.")
    list_count: int = Field(20, ge=1, le=500)
    ranker: Literal["base", "cascade"] = Field(
        "cascade",
        description="`cascade`: many sources, learned ranking; `base`: taste, popularity and freshness.",
    )
    candidates: int = Field(400, ge=1, le=5_000, description="Items that the cascade ranks for a list.")
    user_model: Path | None = Field(
        None,
        description="Folder of a trained user model, from `freshet train user-model`: a source of candidates "
        "and a signal of the cascade, which learns what it is worth. In use from the start on, until "
        "`freshet models` has another one serve.",
    )
    objective_weights: dict[str, Annotated[FiniteFloat, Field(ge=0)]] = Field(
        default_factory=dict,
        description="Objective of `learn.objectives` → how much it counts in scores; 1 for those not named.",
    )
    content_weight: float = Field(1.0, ge=0)
    popularity_weight: float = Field(0.15, ge=0)
    freshness_weight: float = Field(0.05, ge=0)
    bias: float = 0.0
    query_weight: float = Field(
        0.8,
        ge=0,
        le=1,
        description="Of a list that is asked for in words, what the words decide; the profile decides the "
        "rest. Who has no history gets a list by the words alone.",
    )
    popularity_half_life_days: float = Field(7.0, gt=0)
    freshness_half_life_days: float = Field(7.0, gt=0)
    popularity_refresh_s: float = Field(1.0, gt=0)
    after_event_wait_ms: float = Field(250.0, ge=0, le=10_000)
    reason_items: int = Field(3, ge=0, le=20, description="Past items that the reasons name one by one.")
    list_retention_days: float = Field(7.0, gt=0, description="Of each user's newest list in Redis.")
    snapshot_folder: Path | None = Field(
        None,
        description="Where snapshots of the items in memory are kept: a worker that starts reads what came "
        "after. Workers of one machine may share it. `freshet up` has one in its data folder.",
    )
    snapshot_interval_s: float = Field(
        300.0, gt=0, description="Between snapshots, where items have changed."
    )


class WorkerSettings(_Section):
    """How a worker runs."""

    max_in_flight_records: int = Field(2_000, ge=1)
    max_in_flight_bytes: int = Field(64 * MEBIBYTE, ge=MEBIBYTE)
    batch_records: int = Field(500, ge=1, le=10_000)
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(0, ge=0, le=65_535, description="0 lets the system choose; it is logged.")
    stall_timeout_s: float = Field(60.0, gt=0, description="Lag without progress for so long is not alive.")
    shutdown_timeout_s: float = Field(10.0, gt=0)
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(BaseSettings):
    """All settings of Freshet. An unknown name, or a value out of bounds, is a ConfigurationError."""

    model_config = SettingsConfigDict(
        env_prefix="FRESHET_",
        env_nested_delimiter="__",
        toml_file="freshet.toml",
        extra="forbid",
        frozen=True,
    )

    kafka: KafkaSettings = KafkaSettings()
    redis: RedisSettings = RedisSettings()
    topics: TopicSettings = TopicSettings()
    media: MediaSettings = MediaSettings()
    encoders: EncoderSettings = EncoderSettings()
    fusion: FusionSettings = FusionSettings()
    models: ModelSettings = ModelSettings()
    profile: ProfileSettings = ProfileSettings()
    recommend: RecommendSettings = RecommendSettings()
    query: QuerySettings = QuerySettings()
    refine: RefineSettings = RefineSettings()
    enrich: EnrichSettings = EnrichSettings()
    interactions: InteractionSettings = InteractionSettings()
    sources: SourceSettings = SourceSettings()
    learn: LearnSettings = LearnSettings()
    rerank: RerankSettings = RerankSettings()
    experiment: ExperimentSettings = ExperimentSettings()
    join: JoinSettings = JoinSettings()
    explain: ExplainSettings = ExplainSettings()
    language_model: LanguageModelSettings = LanguageModelSettings()
    privacy: PrivacySettings = PrivacySettings()
    worker: WorkerSettings = WorkerSettings()
    console: ConsoleSettings = ConsoleSettings()

    @model_validator(mode="after")
    def _check_objectives(self) -> Self:
        self.objectives_of(self.recommend)
        return self

    @model_validator(mode="after")
    def _check_refine(self) -> Self:
        tokens = self.refine.answer_tokens
        if self.refine.enabled and tokens > self.language_model.max_tokens:
            raise ValueError(
                f"refine.items is {self.refine.items}, and an order of so many takes up to {tokens} tokens: "
                f"language_model.max_tokens is {self.language_model.max_tokens}, and would cut it off"
            )
        return self

    def objectives_of(self, recommend: RecommendSettings) -> dict[str, float]:
        """How much each objective counts in scores, by these settings of lists.

        Raises:
            ValueError: One is weighed that is not learned, or none counts.
        """
        learned, weights = self.learn.objectives, recommend.objective_weights
        for name in weights:
            if name not in learned:
                known = ", ".join(f"`{one}`" for one in learned) or "none"
                raise ValueError(
                    f"recommend.objective_weights: there is no objective `{name}` in learn.objectives, "
                    f"which has {known}"
                )
        counts = {name: weights.get(name, 1.0) for name in learned}
        if counts and not any(counts.values()):
            raise ValueError("recommend.objective_weights: every objective weighs 0; one must weigh more")
        return counts

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags over variables over the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(file: Path | None = None, **flags: Any) -> Settings:
    """Read the settings.

    Args:
        file: A settings file instead of `freshet.toml` in the working folder.
        flags: Sections as nested dicts, for example ``kafka={"bootstrap_servers": …}``.

    Raises:
        ConfigurationError: The file is missing or not TOML, or a value is wrong; names the setting.
    """
    if file is not None and not file.is_file():
        raise ConfigurationError(f"there is no settings file {file}")

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=file or "freshet.toml")

    try:
        return FromFile(**flags)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
        raise ConfigurationError("; ".join(map(_told, problems))) from None
    except ValueError as error:
        raise ConfigurationError(f"the settings cannot be read: {error}") from None


def _told(problem: ErrorDetails) -> str:
    message = problem["msg"].removeprefix("Value error, ")
    # What is wrong between sections is in none of them, and says where.
    if not problem["loc"]:
        return message
    return f"setting `{'.'.join(map(str, problem['loc']))}`: {message}"
