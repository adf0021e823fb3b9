"""What Redis answers, and what it is taken for."""

from __future__ import annotations

import pytest
from redis.exceptions import OutOfMemoryError, ReadOnlyError, ResponseError

from streams.errors import DefectError, DependencyDownError
from workers.state.redis_errors import redis_errors

IN_PIPELINE = "Command # 2 (ZADD t.holders 1.0 a) of pipeline caused error: "


@pytest.mark.parametrize(
    "error",
    [
        OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
        ResponseError("Error running script (call to f_1): @user_script:3: -OOM command not allowed"),
        ResponseError(IN_PIPELINE + "('MISCONF Errors writing to the AOF file: No space left on device',)"),
        ReadOnlyError(IN_PIPELINE + '("You can\'t write against a read only replica.",)'),
        OutOfMemoryError(IN_PIPELINE + "(\"command not allowed when used memory > 'maxmemory'.\",)"),
    ],
)
async def test_what_passes_is_waited_out_alone_or_in_a_pipeline(error: ResponseError) -> None:
    with pytest.raises(DependencyDownError):
        async with redis_errors("holders"):
            raise error


@pytest.mark.parametrize("before", ["", IN_PIPELINE])
async def test_what_redis_does_not_understand_is_a_defect(before: str) -> None:
    with pytest.raises(DefectError):
        async with redis_errors("holders"):
            raise ResponseError(f"{before}WRONGTYPE Operation against a key holding the wrong kind of value")
