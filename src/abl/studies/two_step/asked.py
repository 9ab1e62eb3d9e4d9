"""What is wrong with a two_step sweep file, all of it at once."""

from __future__ import annotations

from abl.errors import InputError, Problem
from abl.nets.registry import check_network
from abl.spec.read import SweepFile
from abl.studies.contract import StudyAxis, options_of
from abl.studies.shared.arms import Settings, arms_from
from abl.studies.shared.checks import (
    arm_problems,
    design_faults,
    metric_problems,
    network_problems,
    place_of_axis,
    stated_problems,
)
from abl.studies.shared.external import external_problems
from abl.studies.shared.thresholds import decision_search_problems, threshold_problem
from abl.studies.two_step.departures import FALSE_THRESHOLD_ON_TEST
from abl.studies.two_step.options import Options, arm_faults, relevant


def sweep_problems(file: SweepFile, axes: tuple[StudyAxis, ...]) -> list[Problem]:
    """The problems of the file's arms, options and thresholds; of equal ones the first.

    Args:
        axes: The study's own.
    """
    problems = [*metric_problems(file), *network_problems(file)]
    arms, found = arms_from(file, axes, relevant, ["threshold"])
    problems += found
    settings, seen = Settings(file, axes), []
    if not arms.arms:
        try:
            options_of(file, Options)
        except InputError as error:
            problems += error.problems
    for arm in arms.arms:
        own, panel = file, None
        try:
            own = settings.addressed_file(arm)
        except InputError as error:
            problems += error.problems
        else:
            seen.append(own.sweep.data)
            wrong = check_network(own.sweep.train.network)
            if "train.network" in arm.params:
                problems += [file.problem(wrong, "axes", "train.network")] if wrong else []
            if not wrong:
                faults = [text for _, text in design_faults(own.sweep)]
                problems += [file.problem(text, "train") for text in faults]
        try:
            options = options_of(own, Options)
        except InputError as error:
            problems += error.problems
        else:
            panel, last_k = options.voters, own.sweep.train.last_k
            if arm.params.get("threshold") == "search":
                faults = decision_search_problems(options.search)
                problems += [file.problem(text, "options", "search") for text in faults]
            if options.epochs is not None and options.epochs < last_k:
                text = f"options.epochs: {options.epochs} is less than train.last_k: {last_k}"
                problems.append(file.problem(text, "options", "epochs"))
        problems += [
            file.problem(text, *place_of_axis(file, axis))
            for axis, text in arm_faults(
                arm.own, panel, best_on_test=file.sweep.allows(FALSE_THRESHOLD_ON_TEST)
            )
        ]
    values = file.sweep.curve("threshold") or ()
    faults = [threshold_problem(value, of_curve=True) for value in values]
    problems += [file.problem(text, "axes", "threshold") for text in faults if text]
    problems += arm_problems(file, axes, arms.arms, relevant)
    problems += [*stated_problems(file), *external_problems(file, seen)]
    return list(dict.fromkeys(problems))
