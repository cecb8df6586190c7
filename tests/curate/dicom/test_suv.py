"""Uptake values: the formula by hand, and every tag that may be missing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from curate.errors import CaseError
from tests.curate.dicom.make import intensities, noise, only, save_series

HALF_LIFE = 6586.2
"""Seconds, of fluorine-18."""


def _save(folder: Path, take_out: str | None = None, tracer_tags: dict[str, Any] | None = None, **tags: Any) -> None:
    tracer = Dataset()
    wanted = {
        "RadionuclideTotalDose": 400e6,
        "RadionuclideHalfLife": HALF_LIFE,
        "RadiopharmaceuticalStartDateTime": "20200131093000.00",
        **(tracer_tags or {}),
    }
    for keyword, value in wanted.items():
        if keyword != take_out and value is not None:
            setattr(tracer, keyword, value)
    of_image = {
        "Modality": "PT", "Units": "BQML", "DecayCorrection": "START", "PatientWeight": 80.0, "SeriesDate": "20200131",
        "SeriesTime": "103000", "AcquisitionDate": "20200131", "AcquisitionTime": "103500", "RescaleSlope": 2.0,
        "RescaleIntercept": 0.0, "RadiopharmaceuticalInformationSequence": Items([tracer]), **tags,
    }  # fmt: skip
    save_series(folder, noise((2, 8, 8), "uint16", 0, 4000), **{k: v for k, v in of_image.items() if k != take_out})


def _factor(folder: Path) -> float:
    volume = only(folder, suv=True)
    stored = only(folder)
    bright = intensities(stored) > 0
    ratios = intensities(volume)[bright] / intensities(stored)[bright]
    assert np.ptp(ratios) < 1e-12
    return float(ratios[0])


def test_decay_to_the_time_of_the_series(tmp_path: Path) -> None:
    _save(tmp_path)
    assert _factor(tmp_path) == pytest.approx(80_000 / (400e6 * 2 ** (-3600 / HALF_LIFE)), rel=1e-12)


def test_a_derived_series_takes_the_time_of_acquisition(tmp_path: Path) -> None:
    _save(tmp_path, SeriesTime="180000")
    assert _factor(tmp_path) == pytest.approx(80_000 / (400e6 * 2 ** (-3900 / HALF_LIFE)), rel=1e-12)


def test_a_time_of_injection_without_a_date_may_be_of_the_day_before(tmp_path: Path) -> None:
    _save(
        tmp_path,
        take_out="RadiopharmaceuticalStartDateTime",
        tracer_tags={"RadiopharmaceuticalStartTime": "233000"},
        SeriesTime="003000",
        AcquisitionTime="003000",
    )
    assert _factor(tmp_path) == pytest.approx(80_000 / (400e6 * 2 ** (-3600 / HALF_LIFE)), rel=1e-12)


def test_what_is_corrected_to_the_injection_already(tmp_path: Path) -> None:
    _save(tmp_path, DecayCorrection="ADMIN")
    assert _factor(tmp_path) == pytest.approx(80_000 / 400e6)


def test_what_is_suv_already(tmp_path: Path) -> None:
    _save(tmp_path, Units="GML")
    assert _factor(tmp_path) == 1.0


@pytest.mark.parametrize(
    ("keyword", "message"),
    [
        ("PatientWeight", r"SUV needs PatientWeight \(0010,1030\), which is missing"),
        ("RadionuclideTotalDose", r"SUV needs RadionuclideTotalDose \(0018,1074\), which is missing"),
        ("RadionuclideHalfLife", r"SUV needs RadionuclideHalfLife \(0018,1075\), which is missing"),
        ("RadiopharmaceuticalStartDateTime", r"SUV needs RadiopharmaceuticalStartDateTime \(0018,1078\)"),
        ("RadiopharmaceuticalInformationSequence", r"SUV needs RadiopharmaceuticalInformationSequence \(0054,0016\)"),
        ("Units", r"SUV needs Units \(0054,1001\) BQML or GML, and they are missing"),
        ("DecayCorrection", r"SUV needs DecayCorrection \(0054,1102\) START or ADMIN, and it is missing"),
    ],
)
def test_a_missing_tag_is_named(keyword: str, message: str, tmp_path: Path) -> None:
    _save(tmp_path, take_out=keyword)
    with pytest.raises(CaseError, match=message):
        only(tmp_path, suv=True)


def test_an_injection_after_the_scan(tmp_path: Path) -> None:
    _save(tmp_path, tracer_tags={"RadiopharmaceuticalStartDateTime": "20200131113000"})
    with pytest.raises(CaseError, match="injected after the scan"):
        only(tmp_path, suv=True)


def test_counts_cannot_become_uptake(tmp_path: Path) -> None:
    _save(tmp_path, Units="CNTS")
    with pytest.raises(CaseError, match="they are CNTS"):
        only(tmp_path, suv=True)
