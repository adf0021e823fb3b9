"""A plain connection to Redis for commands, and what Freshet needs of a Redis."""

from __future__ import annotations

from typing import Any

import redis

from streams.errors import ConfigurationError, DependencyDownError
from streams.settings import RedisSettings


def redis_client(settings: RedisSettings) -> redis.Redis:
    """A synchronous client. Raises ConfigurationError where the URL is none."""
    options: dict[str, Any] = {}
    url = settings.url.get_secret_value()
    if settings.ca_file is not None and url.startswith("rediss://"):
        options["ssl_ca_certs"] = str(settings.ca_file)
    try:
        return redis.Redis.from_url(
            url,
            socket_timeout=settings.timeout_s,
            socket_connect_timeout=settings.timeout_s,
            **options,
        )
    except ValueError as error:
        raise ConfigurationError(f"setting `redis.url` is wrong: {error}") from None


def redis_info(settings: RedisSettings) -> dict[str, Any]:
    """What Redis says of itself (INFO).

    Raises:
        ConfigurationError: It does not let us in.
        DependencyDownError: It does not answer.
    """
    try:
        with redis_client(settings) as client:
            return dict(client.info())
    except redis.AuthenticationError as error:
        raise ConfigurationError(f"Redis refuses the user or password in `redis.url`: {error}") from None
    except redis.ResponseError as error:
        raise ConfigurationError(f"Redis refuses: {error}") from None
    except (redis.RedisError, OSError) as error:
        raise DependencyDownError(
            f"Redis does not answer ({error}). Check `redis.url`, and that Redis runs; "
            "`freshet up` starts one by itself"
        ) from None


def check_redis(settings: RedisSettings) -> dict[str, Any]:
    """`redis_info`, of a Redis that keeps what it is given.

    Raises:
        ConfigurationError: Also where it would evict state.
        DependencyDownError: As `redis_info`.
    """
    info = redis_info(settings)
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise ConfigurationError(
            f"Redis has `maxmemory-policy {policy}` and would drop state when memory is short: "
            "run `redis-cli config set maxmemory-policy noeviction`, and set it in redis.conf"
        )
    return info
