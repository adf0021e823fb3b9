"""What Redis and the network raise, in the documented tree of errors."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from streams.errors import ConfigurationError, DefectError, DependencyDownError

# What Redis answers while it cannot write for now: out of memory, out of disk, loading, failing over, too few
# replicas.
_PASSING = (
    "OOM",
    "command not allowed when used memory",
    "MISCONF",
    "LOADING",
    "Redis is loading",
    "BUSY",
    "READONLY",
    "You can't write against a read only",
    "MASTERDOWN",
    "NOSCRIPT",
    "No matching script",
    "TRYAGAIN",
    "NOREPLICAS",
)
_IN_SCRIPT = re.compile(r"^Error running script .* @user_script: ?\d+: -?")
# redis-py's words for an error within a pipeline: the server's own are in there as a Python tuple.
_IN_PIPELINE = re.compile(r"^Command # \d+ .* of pipeline caused error: \(?['\"]?", re.DOTALL)


@asynccontextmanager
async def redis_errors(step: str) -> AsyncIterator[None]:
    """Turn whatever Redis or the network raises into the one error that pauses a role."""
    try:
        yield
    except AuthenticationError as error:
        raise ConfigurationError(f"Redis refuses the user or password in `redis.url`: {error}") from None
    except NoPermissionError as error:
        raise ConfigurationError(f"Redis does not let the user of `redis.url` do {step}: {error}") from None
    except ResponseError as error:
        # Before version 7, an error within a script comes with the place in the script before it.
        if _IN_SCRIPT.sub("", _IN_PIPELINE.sub("", str(error))).startswith(_PASSING):
            raise DependencyDownError(f"Redis refuses during {step}: {error}") from error
        raise DefectError(f"Redis does not understand {step}: {error}") from error
    except (RedisError, OSError, TimeoutError) as error:
        raise DependencyDownError(f"Redis failed during {step}: {error or type(error).__name__}") from error
