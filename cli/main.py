"""The `crossrt` command."""

from __future__ import annotations

import io
import os
import signal
import sys

import click

from crossrt.cli.commands.about.docs import docs
from crossrt.cli.commands.about.doctor import doctor
from crossrt.cli.commands.about.version import print_version
from crossrt.cli.commands.accuracy import accuracy
from crossrt.cli.commands.audit import audit
from crossrt.cli.commands.bench import bench
from crossrt.cli.commands.choose.choice import advise, pareto
from crossrt.cli.commands.choose.search import search
from crossrt.cli.commands.compare import compare
from crossrt.cli.commands.diagnose import diagnose
from crossrt.cli.commands.duel import duel
from crossrt.cli.commands.explain import explain
from crossrt.cli.commands.export import export
from crossrt.cli.commands.fleet.group import fleet
from crossrt.cli.commands.history.group import history
from crossrt.cli.commands.inspect import inspect
from crossrt.cli.commands.qat import qat
from crossrt.cli.commands.quantize import quantize
from crossrt.cli.commands.recipes import recipes
from crossrt.cli.commands.report import report
from crossrt.cli.commands.show import show
from crossrt.cli.commands.studies.methods import methods
from crossrt.cli.commands.studies.robustness import robustness
from crossrt.cli.commands.studies.roofline import roofline
from crossrt.cli.commands.studies.sensitivity import sensitivity
from crossrt.cli.commands.train import train
from crossrt.cli.commands.versions.bisect import bisect_runtime
from crossrt.cli.commands.versions.cache import cache
from crossrt.cli.commands.versions.runtimes import runtimes
from crossrt.cli.exit_codes import INTERRUPTED, OUTPUT_CLOSED
from crossrt.cli.shared.failures import explained
from crossrt.cli.shared.verbosity import add_to
from crossrt.reports.text.guard import guarded_streams

COMPLETE = "_CROSSRT_COMPLETE"  # what shells ask for completions with, as click names it


@click.group(
    commands=[
        accuracy,
        advise,
        audit,
        bench,
        bisect_runtime,
        cache,
        compare,
        diagnose,
        docs,
        doctor,
        duel,
        explain,
        export,
        fleet,
        history,
        inspect,
        methods,
        pareto,
        qat,
        quantize,
        recipes,
        report,
        robustness,
        roofline,
        runtimes,
        search,
        sensitivity,
        show,
        train,
    ],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 fine, 1 a case failed or became worse, 2 wrong usage or input, 3 nothing comparable,"
    " 70 a defect of crossrt, 75 the machine is not quiet (--exclusive), 130 interrupted.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=print_version,
    help="Show the versions of crossrt, Python and the runtimes, and exit.",
)
def cli() -> None:
    """Compare quantized variants of a model across inference runtimes, with numbers that can be believed.

    \b
    crossrt inspect MODEL   what a model takes and gives, and the data that fit
    crossrt bench MODEL     check and measure a model on every runtime
    crossrt quantize MODEL  build and check every quantization recipe, or some
    crossrt search MODEL    the fastest file within a budget of accuracy
    crossrt methods MODEL   every quantization method on one model compared
    crossrt qat MODEL       train a Keras model for int8, for ONNX and TFLite
    crossrt duel A B        which of two is faster, and how sure is that?
    crossrt compare A B     did anything become worse from report A to report B?
    crossrt history trend METRIC
                            how did results move, and where did they change?
    crossrt fleet report FOLDER
                            the reports of many machines side by side
    crossrt audit FILE      are its scales what the formula gives?
    crossrt diagnose FILE   where does its error come from, and what would help?
    crossrt explain FILE    which kernels run, and why not on integers?
    crossrt roofline FILE   how near is it to the limits of this machine?
    crossrt advise REPORT   which variant to ship within an accuracy budget?
    crossrt doctor          is this machine fit to measure on?
    crossrt show REPORT     print a saved report again
    crossrt report REPORT --html FILE
                            a page to look at; --markdown, or --to other tools
    """  # noqa: D301 - \b is click's mark for lines that stay as they are


add_to(cli)


def main() -> int:
    """Runs the command; every foreseen failure is one message and an exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup asks for
            signal.signal(number, signal.default_int_handler)  # a cancelled job also keeps what is finished
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # an ASCII terminal shows ? for the few other signs
    with guarded_streams():
        return _run()


def _run() -> int:
    """The command itself, in streams that are guarded."""
    try:
        if instruction := os.environ.get(COMPLETE):
            return _complete(instruction)
        with cli.make_context("crossrt", sys.argv[1:]) as context:  # click's own main makes 1 of a closed pipe
            return cli.invoke(context) or 0
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("crossrt: interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OUTPUT_CLOSED
    except Exception as error:
        return explained(error)


def _complete(instruction: str) -> int:
    """Answers a shell that asks how a command line may go on, or for the script that makes it ask."""
    from click.shell_completion import shell_complete

    return shell_complete(cli, {}, "crossrt", COMPLETE, instruction)
