"""``vidinternal``: one verb per thing a person wants done. Imports neither torch nor av until a verb runs."""

from __future__ import annotations

import io
import os
import signal
import sys
from typing import NoReturn

import typer

from vidinternal.cli import measure, run, show
from vidinternal.core.errors import ResourceError, UserError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Clean footage by training a network on the one clip it is given: no dataset, no weights, no cloud.",
)
app.command("run")(run.run)
app.command("check")(show.check)
app.command("pipelines")(show.pipelines)
app.command("stages")(show.stages)
app.command("methods")(show.methods)
app.command("doctor")(show.doctor)
app.command("compare")(measure.compare)
app.command("verify")(measure.verify)
app.command("bench")(measure.bench)


def main() -> None:
    """Run the command line; a user's error prints no traceback.

    Exit codes: 0 all done; 1 some clip failed, the rest done; 2 usage, pipeline or mask invalid; 130 interrupted.
    """
    # Threads of OpenMP that spin while they wait bring a machine with other work to a stand; read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files need not be text in the terminal's encoding
    try:
        app()
    except UserError as error:
        _refuse(error)
    except OSError as error:
        where = str(error.filename or "the system")
        _refuse(ResourceError(where, expected="a file or folder that can be used", got=error.strerror or str(error)))
    except MemoryError:
        _refuse(ResourceError("memory", expected="room for the next picture", got="none left", hint="a smaller clip"))
    finally:
        # One more Ctrl-C while Python shuts down must not change the exit code that has been decided.
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _refuse(error: UserError) -> NoReturn:
    typer.echo(f"error: {error.message}", err=True)
    sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
