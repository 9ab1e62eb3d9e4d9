"""What others call the metrics: names that no distance of letters finds."""

from __future__ import annotations

import re

# in small letters, without spaces and signs
_OTHER_NAMES = {
    "accuracy": "acc", "balancedaccuracy": "balanced_acc", "bacc": "balanced_acc",
    "sensitivity": "sen", "recall": "sen", "tpr": "sen", "truepositiverate": "sen",
    "specificity": "spe", "tnr": "spe", "truenegativerate": "spe",
    "precision": "ppv", "positivepredictivevalue": "ppv", "negativepredictivevalue": "npv",
    "rocauc": "auc", "auroc": "auc", "aucroc": "auc", "auprc": "ap", "prauc": "ap",
    "averageprecision": "ap", "map": "ap", "f1score": "f1", "fscore": "f1", "dice": "f1",
    "brierscore": "brier", "gmean": "g_mean", "youdenj": "youden", "informedness": "youden",
    "expectedcalibrationerror": "ece",
}  # fmt: skip


def short_name(name: str) -> str:
    """`acc` of `Accuracy`; "" of a name that is not known."""
    return _OTHER_NAMES.get(re.sub(r"[\W_]", "", name.lower()), "")
