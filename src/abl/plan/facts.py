"""What a sweep's outcome says of itself beside its arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from abl.spec.labels import Labels
from abl.spec.table_style import TableStyle

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Facts:
    """What is kept of a sweep beside its table; every value can be written as JSON.

    Attributes:
        data: The data by role and centre, of the first split.
        training_patients: Patients of a training part, for the corrected resampled t-test.
        protocol: Whose: `published` for a paper's own.
        departures: What the sweep follows of it: name, sentence, by_test (what test labels choose).
        study: What one study keeps for its own figures and tables: network, modalities,
            label_noise.
        tests: Every comparison of the table's family, with all its tests.
        external: External sets, and the arms' scores on them.
        activation: `area`: share of the image inside the masks, by arm.
        searches: Searches of hyperparameters, and what each chose.
        table: How the table is printed.
        labels: What the sweep file calls axes, values and metrics.
        unit: What is scored: image, nodule or patient; "" if that is not known.
        margin: Of equivalence; None if none was given.
        classes: Names of the classes.
        patients_by_split: What splits keep together; "" if that is not known.
        clusters: What splits keep together and intervals resample, where that is no patient: group
            (of a column group), or image.
        patients_unknown: Whether the data name no patients, so that each image counts as one.
        one_class: Arm (key) -> replicates on which it predicts one class only.
        one_class_of: Arm (key) -> position of that class, if it is the same in all of these.
        controls: Arm (key) -> how it used labels of the test set; such an arm is never the best.
        trainings: Arm (key) -> distinct predictions among its replicates, where some seeds of a
            split predict the same for every unit.
        collapsed: Arm (key) -> what collapsed against its base: acc, f1, or `called CLASS` (the
            share of units called that class) with `before` and `after`.
        stages, asked: Stages of the plan, and how many were asked for before equal ones were one.
        ran: What ran: settings by arm, trainings by network, where each image went; see
            studies/shared/ran.py.
        imported: Keys of the arms that were imported.
        key_without_imported: The sweep's key without them.
    """

    data: Rows = ()
    training_patients: int = 1
    protocol: str = ""
    departures: Rows = ()
    study: Mapping[str, Any] = field(default_factory=dict)
    tests: Rows = ()
    external: Rows = ()
    activation: Mapping[str, Any] = field(default_factory=dict)
    searches: Rows = ()
    table: TableStyle = field(default_factory=TableStyle)
    labels: Labels = field(default_factory=Labels)
    unit: str = ""
    margin: float | None = None
    classes: Sequence[str] = ()
    patients_by_split: str = ""
    clusters: str = ""
    patients_unknown: bool = False
    one_class: Mapping[str, int] = field(default_factory=dict)
    one_class_of: Mapping[str, int] = field(default_factory=dict)
    controls: Mapping[str, str] = field(default_factory=dict)
    trainings: Mapping[str, int] = field(default_factory=dict)
    collapsed: Mapping[str, Rows] = field(default_factory=dict)
    stages: int = 0
    asked: int = 0
    ran: Mapping[str, Any] = field(default_factory=dict)
    imported: Sequence[str] = ()
    key_without_imported: str = ""

    def flat(self) -> dict[str, Any]:
        """As JSON has them: facts of the study among the others, those in RARE only if there."""
        flat: dict[str, Any] = {}
        for name in _FACTS:
            value = getattr(self, name)
            if name == "study":
                flat |= value
            elif isinstance(value, Labels):
                flat |= {name: given} if (given := value.model_dump(exclude_defaults=True)) else {}
            elif value or name not in _RARE:
                flat[name] = _style(value) if isinstance(value, TableStyle) else value
        return flat

    @classmethod
    def from_flat(cls, flat: Mapping[str, Any]) -> Facts:
        """What `flat` gave; a name that is no field is a fact of the study."""
        own: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in flat.items()
            if name in _FACTS
        }
        if "table" in own:
            own["table"] = TableStyle(**own["table"])
        if "labels" in own:
            own["labels"] = Labels(**own["labels"])
        study = {name: value for name, value in flat.items() if name not in _FACTS}
        return cls(**own, study=study)


def _style(table: TableStyle) -> dict[str, Any]:
    """How a table is printed; a choice of later versions only where it was made."""
    return table.model_dump(exclude={n for n in ("spread", "runs") if not getattr(table, n)})


_FACTS = tuple(each.name for each in fields(Facts))
_RARE = {
    "external", "activation", "searches", "imported", "key_without_imported", "controls",
    "trainings", "collapsed", "ran", "clusters", "patients_unknown", "departures", "one_class_of",
}  # fmt: skip
