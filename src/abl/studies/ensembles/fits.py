"""The stages of an ensembles sweep: features once a network, kernels once a split, many fits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from abl.decide.classifiers.balance import COPIES, FLIPPED
from abl.decide.classifiers.names import KERNEL_CLASSIFIERS, SEEDED, UNCALIBRATED
from abl.plan.graph import Arm, Replicate
from abl.spec.read import SweepFile
from abl.spec.sweep import Sweep
from abl.stages.combine import CHOSEN, MEAN, STACKED, combine_stage
from abl.stages.fit import fit_stage
from abl.stages.kernels import kernels_stage
from abl.stages.train import Trainings
from abl.studies.contract import options_of
from abl.studies.ensembles.options import Options
from abl.studies.ensembles.sets import OWN, Sets, candidates_of, classifiers_of, sets_of
from abl.studies.ensembles.sources import Source, source_of


class EnsembleStages:
    """Makes the stages of every arm on every replicate.

    Args:
        file: Without external centres, as `sweeps`, one an arm.
        trainings: Makes the stages of a sweep.
    """

    def __init__(
        self,
        file: SweepFile,
        arms: Sequence[Arm],
        sweeps: Sequence[Sweep],
        trainings: Callable[[Sweep], Trainings],
    ):
        self._arms, self._sweeps, self._trainings_of = arms, sweeps, trainings
        # most arms are of one sweep: what follows from it is made once
        texts = [each.model_dump_json() for each in sweeps]
        self._first = [texts.index(each) for each in texts]
        options = {
            at: options_of(replace(file, sweep=sweeps[at]), Options) for at in set(self._first)
        }
        self._options = [options[at] for at in self._first]
        self._sources: dict[tuple[object, ...], Source] = {}
        self._known: dict[int, Trainings] = {}
        self._made: dict[tuple[object, ...], str] = {}

    def trained(self, at: int, replicate: Replicate) -> str:
        """Digest of the stage in which an arm ends."""
        arm, options = self._arms[at], self._options[at]
        how, value = str(arm.params.get("ensemble", MEAN)), str(arm.params["networks"])
        word = str(arm.params["classifier"])
        if CHOSEN in (value, word):
            return self._chosen(at, replicate, value, word)
        sets, classifiers = sets_of(value, tuple(options.panel)), classifiers_of(word)
        parts = self._parts(at, replicate, sets, classifiers, stacked=how == STACKED)
        if sum(len(each) for each in parts) == 1:
            return parts[0][0]
        return self._combined(at, replicate, parts, how, f"{word} [{value}]")

    def _chosen(self, at: int, replicate: Replicate, value: str, word: str) -> str:
        sweep, options = self._sweeps[at], self._options[at]
        classifiers = options.candidates.classifiers if word == CHOSEN else (word,)
        parts = [
            [d for each in self._parts(at, replicate, sets, classifiers_of(one)) for d in each]
            for sets in candidates_of(value, options)
            for one in classifiers
        ]
        metric = sweep.select_by or sweep.primary
        return self._combined(at, replicate, parts, CHOSEN, f"{word} of {len(parts)}", metric)

    def _combined(
        self,
        at: int,
        replicate: Replicate,
        parts: Sequence[Sequence[str]],
        how: str,
        label: str,
        metric: str = "",
    ) -> str:
        # of a network that is asked for anyway: the one of the train block need not be
        made = self._trainings(self._source(at, next(iter(self._options[at].panel))))
        stage = combine_stage(
            made.opened, made.sweep.splits, made.view, replicate, parts, how, label, metric,
            self._options[at].balance,
        )  # fmt: skip
        return made.plan.add(stage)

    def _parts(
        self,
        at: int,
        replicate: Replicate,
        sets: Sets,
        classifiers: Sequence[str],
        *,
        stacked: bool = False,
    ) -> list[list[str]]:
        """Digests of the fits of each set, one a classifier."""
        found = []
        for names in sets:
            sources = [self._source(at, name) for name in names]
            digests: list[str] = []
            for classifier in classifiers:
                if classifier == OWN:
                    own = [self._trainings(each).train(replicate) for each in sources]
                    digests += own
                else:
                    digests.append(self._fit(at, replicate, sources, classifier, stacked=stacked))
            found.append(digests)
        return found

    def _source(self, at: int, name: str) -> Source:
        arm = self._arms[at]
        key = (self._first[at], arm.params.get("layer"), arm.params.get("fine_tuned"), name)
        if key not in self._sources:
            self._sources[key] = source_of(name, arm, self._sweeps[at], self._options[at])
        return self._sources[key]

    def _trainings(self, source: Source) -> Trainings:
        if id(source) not in self._known:  # sources are kept, so that no other has its id
            self._known[id(source)] = self._trainings_of(source.sweep)
        return self._known[id(source)]

    def _fit(
        self,
        at: int,
        replicate: Replicate,
        sources: Sequence[Source],
        classifier: str,
        *,
        stacked: bool,
    ) -> str:
        options, sweep = self._options[at], self._sweeps[at]
        made = self._trainings(sources[0])
        parameters = options.parameters(classifier)
        inner = (
            stacked
            or classifier in UNCALIBRATED
            or any(len(values) > 1 for values in parameters.values())
        )
        settings: dict[str, Any] = {
            "classifier": classifier,
            "parameters": parameters,
            "balance": options.balance,
        }
        if inner:
            settings |= {"inner": options.inner_folds, "draw": made.inner_draw}
        if stacked and classifier not in UNCALIBRATED:
            settings["out_of_fold"] = True
        ordered = sorted(sources, key=lambda each: each.order)
        draws = classifier in SEEDED or options.balance in COPIES
        seeds = draws or any(each.tuned for each in sources)
        key = (
            self._first[at], classifier, stacked, tuple(each.order for each in ordered),
            replicate if seeds else (replicate.repeat, replicate.fold),
        )  # fmt: skip
        if key not in self._made:
            kernel = classifier in KERNEL_CLASSIFIERS
            stage = fit_stage(
                made.opened,
                sweep.splits,
                made.view,
                replicate,
                [
                    [self._kernels(each, options, replicate)]
                    if kernel
                    else self._features(each, options, replicate)
                    for each in ordered
                ],
                settings,
                f"[{'+'.join(each.name for each in sources)}]",
            )
            self._made[key] = made.plan.add(stage)
        return self._made[key]

    def _features(self, source: Source, options: Options, replicate: Replicate) -> list[str]:
        made, tuned = self._trainings(source), replicate if source.tuned else None
        flips = ("none", *FLIPPED) if options.balance == "flips" else ("none",)
        return [made.embed(source.layer, tuned, flip=flip) for flip in flips]

    def _kernels(self, source: Source, options: Options, replicate: Replicate) -> str:
        features = self._features(source, options, replicate)
        # features of a network as it is are of all images, products of a training part's own
        splits = source.sweep.splits.model_dump_json()
        key = ("kernels", replicate.repeat, replicate.fold, options.scale, splits, *features)
        if key not in self._made:
            made = self._trainings(source)
            stage = kernels_stage(
                made.opened, source.sweep.splits, made.view, replicate, features,
                f"{source.sweep.train.network} {source.layer}", options.scale,
            )  # fmt: skip
            self._made[key] = made.plan.add(stage)
        return self._made[key]
