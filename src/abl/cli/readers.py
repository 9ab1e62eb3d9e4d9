"""`abl readers`: what readers' answers say of treatments and algorithms.

`abl readers ANSWERS.csv` is `abl readers compare ANSWERS.csv`: words that name no command of the
family are arguments of that one. A further command of the family is registered on `readers_app`.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from typer.core import TyperGroup

from abl.cli.app import ROOT, RootOpt, app, say_written, tells, terminal_width
from abl.cli.output import say

if TYPE_CHECKING:
    from abl.decide.agreement import KappaWeights
    from abl.decide.readers.contrasts import MeanScale
    from abl.decide.readers.error_squares import Effects
    from abl.decide.readers.rater_estimates import CovarianceMethod

DEFAULT = "compare"


class DefaultToCompare(TyperGroup):
    """A family of commands of which one needs no name."""

    default_name = DEFAULT

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, *ctx.help_option_names):
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


readers_app = typer.Typer(
    cls=DefaultToCompare,
    help="Compare readers, treatments and algorithms: `abl readers ANSWERS.csv`; its options: "
    "`abl readers compare --help`.",
    no_args_is_help=True,
)
app.add_typer(readers_app, name="readers")

Covariance = StrEnum("Covariance", ["delong", "jackknife", "unbiased"])
MeanScales = StrEnum("MeanScales", ["logit", "plain"])
Weights = StrEnum("Weights", ["linear", "quadratic"])
RandomEffects = StrEnum("RandomEffects", ["random", "fixed_readers", "fixed_cases"])


@readers_app.command(name=DEFAULT)
@tells
def compare_readers_command(
    answers: Annotated[
        list[Path],
        typer.Argument(
            metavar="ANSWERS...",
            help="Answers or ratings, CSV or Parquet, one row a reader and case: columns case or "
            "image, reader or rater, truth or label, rating or answer; optional treatment, "
            "patient, experience, session.",
        ),
    ],
    algorithm: Annotated[
        list[str] | None,
        typer.Option(help="A rater that is an algorithm, against the others; may be repeated."),
    ] = None,
    predictions: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE",
            help="Predictions of an arm on the same images, a further algorithm; may be repeated.",
        ),
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option(
            help="A sweep that was run: truths of its test images, its arms as algorithms."
        ),
    ] = None,
    arm: Annotated[
        list[str] | None,
        typer.Option(help="An arm of --sweep, by words or row (#3); may be repeated; default all."),
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(help="A reader to leave out; may be repeated.")
    ] = None,
    statistic: Annotated[
        str | None,
        typer.Option(help="auc, sen, spe, acc, separated by commas; default by what was asked."),
    ] = None,
    covariance: Annotated[
        Covariance, typer.Option(help="Of readers' values over cases.")
    ] = Covariance.delong,
    effects: Annotated[
        RandomEffects,
        typer.Option(help="random: readers and cases; else one of them is fixed."),
    ] = RandomEffects.random,
    scale: Annotated[
        MeanScales,
        typer.Option(
            help="Of intervals of means of readers; plain: symmetric, as most programs print them."
        ),
    ] = MeanScales.logit,
    complete: Annotated[
        bool,
        typer.Option(
            "--complete",
            help="Readers who share only some of their cases are compared on those of all.",
        ),
    ] = False,
    cutoff: Annotated[
        float | None, typer.Option(help="Rating from which on an answer is positive.")
    ] = None,
    margin: Annotated[float | None, typer.Option(help="Of non-inferiority, such as 0.05.")] = None,
    base: Annotated[
        str | None, typer.Option(help="The treatment that others are compared with.")
    ] = None,
    order: Annotated[
        str | None,
        typer.Option(help="Treatments as they were read, such as unaided,aided; for the protocol."),
    ] = None,
    washout: Annotated[
        str | None, typer.Option(help="Time between treatments, such as '4 weeks'; likewise.")
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="All classes; of two the positive one last.")
    ] = None,
    positive: Annotated[
        str | None,
        typer.Option(help="The class that AUC, sensitivity and specificity are of, of several."),
    ] = None,
    weighted: Annotated[
        Weights | None,
        typer.Option(help="Weights of kappa, of classes in the order of --classes."),
    ] = None,
    size: Annotated[
        float | None,
        typer.Option(help="Readers and cases needed for this difference, from these as a pilot."),
    ] = None,
    power: Annotated[float | None, typer.Option(help="Of --size; default 0.8.")] = None,
    readers: Annotated[int | None, typer.Option(min=2, help="Of --size: with so many.")] = None,
    cases: Annotated[int | None, typer.Option(min=4, help="Of --size: with so many.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="File for each reader's numbers (.csv or .parquet).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All numbers at full precision.")] = False,
    mlruns: RootOpt = ROOT,
) -> None:
    """Compare readers, treatments and algorithms over readers and cases; nothing is trained."""
    from abl.app.readers.asked import ReadersAsked
    from abl.app.readers.command import readers_analysed

    asked = ReadersAsked(
        answers,
        algorithms=algorithm or (),
        predictions=predictions or (),
        sweep=sweep,
        root=mlruns,
        sweep_arms=arm or (),
        without=without or (),
        statistics=_listed(statistic),
        covariance=cast("CovarianceMethod", covariance.value),
        effects=cast("Effects", effects.value),
        scale=cast("MeanScale", scale.value),
        complete=complete,
        cutoff=cutoff,
        margin=margin,
        base=base,
        order=_listed(order),
        washout=washout,
        classes=_listed(classes),
        positive=positive,
        weighted=cast("KappaWeights | None", None if weighted is None else weighted.value),
        size=size,
        power=power,
        size_readers=readers,
        size_cases=cases,
        out=out,
        as_json=as_json,
    )
    say(readers_analysed(asked, terminal_width()).text)
    say_written(out)


def _listed(text: str | None) -> list[str] | None:
    return None if text is None else [each.strip() for each in text.split(",")]
