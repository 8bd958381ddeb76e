"""How a verb ends: one message and an exit status, whatever was raised."""

from __future__ import annotations

import errno
import sys
import traceback
from collections.abc import Callable

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from ttscale.cli.config_errors import explain
from ttscale.cli.schema import SCHEMAS
from ttscale.cli.verb import Verb
from ttscale.errors import TtscaleError

REGRESSED, USER_ERROR, BUG, INTERRUPTED = 1, 2, 70, 130  # 70 is EX_SOFTWARE of sysexits.h
NOT_OUR_FAULT = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG}


def guard(work: Callable[[], object], verb: Verb, *, debug: bool) -> int:
    """Do ``work``; turn what it raises into one message on stderr and an exit status."""
    try:
        work()
    except KeyboardInterrupt as stop:
        kept = f" {stop.args[0]}" if stop.args else ""
        _complain(f"interrupted.{kept}")
        return INTERRUPTED
    except (HydraException, OmegaConfBaseException) as error:
        return _user_error(explain(error, SCHEMAS[verb.name], verb.name), debug)
    except TtscaleError as error:
        return _user_error(error, debug)
    except BrokenPipeError:
        raise  # the reader of our output went away: main ends quietly
    except Exception as error:
        if isinstance(error, OSError) and error.errno in NOT_OUR_FAULT:
            return _user_error(_unusable_file(error), debug)
        if debug:
            traceback.print_exc()
        _complain(f"this is a bug in ttscale, not your mistake: {type(error).__name__}: {error}")
        if not debug:
            _complain("add debug=true for the traceback, and please report it.")
        return BUG
    return 0


def _user_error(error: TtscaleError, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    _complain(str(error))
    return USER_ERROR


def _unusable_file(error: OSError) -> TtscaleError:
    name = str(error.filename or "a file")
    return TtscaleError(
        name, expected="a file or folder to write", got=str(error.strerror), fix="Choose another `out`."
    )


def _complain(text: str) -> None:
    sys.stdout.flush()
    print(f"ttscale: {text}", file=sys.stderr)
