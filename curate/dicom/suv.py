"""Standardised uptake values of PET: activity over the activity injected for each gram of body weight.

SUV = Bq/ml x weight in g / (injected dose x decay until the images' reference time), as the Quantitative Imaging
Biomarkers Alliance computes it (QIBA FDG-PET/CT profile, appendix on SUV from DICOM).
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from curate.dicom.data_set import DataSet, DicomError, File

_ONE_DAY = timedelta(days=1)


def suv_factor(files: Sequence[File]) -> float:
    """Return the factor from the intensities of a PET series to SUV by body weight, in g/ml.

    Dose and weight are those of the first file; the reference time is the earliest of all. Raises DicomError that names
    the tag which is missing or says something else than can be used.
    """
    first = files[0]
    units = first.text("Units").upper()
    if units == "GML":
        return 1.0
    if units != "BQML":
        raise DicomError(
            f"SUV needs Units (0054,1001) BQML or GML, and they are {units or 'missing'}; leave out `suv`, or convert "
            "the images first"
        )
    weight = _required(first, "PatientWeight", "(0010,1030)")
    tracer = first.item("RadiopharmaceuticalInformationSequence")
    if tracer is None:
        raise DicomError(_missing("RadiopharmaceuticalInformationSequence", "(0054,0016)"))
    dose = _required(tracer, "RadionuclideTotalDose", "(0018,1074)")
    correction = first.text("DecayCorrection").upper()
    if correction == "ADMIN":  # corrected to the time of injection already
        return weight * 1000.0 / dose
    if correction != "START":
        raise DicomError(f"SUV needs DecayCorrection (0054,1102) START or ADMIN, and it is {correction or 'missing'}")
    half_life = _required(tracer, "RadionuclideHalfLife", "(0018,1075)")
    start = min(map(_reference_time, files))
    seconds = (start - _injection_time(tracer, start)).total_seconds()
    if seconds < 0:
        raise DicomError("SUV: the tracer was injected after the scan began; the times in the header are wrong")
    return weight * 1000.0 / (dose * float(0.5 ** (seconds / half_life)))


def _reference_time(file: File) -> datetime:
    """Return when the scan began: the series' time, unless it is later than the acquisition's (a derived series)."""
    series = _moment(file.text("SeriesDate"), file.text("SeriesTime"))
    acquisition = _moment(file.text("AcquisitionDate"), file.text("AcquisitionTime"))
    times = [time for time in (series, acquisition) if time is not None]
    if not times:
        raise DicomError(_missing("SeriesDate and SeriesTime", "(0008,0021), (0008,0031)"))
    return min(times)


def _injection_time(tracer: DataSet, scan: datetime) -> datetime:
    """Return when the tracer was injected; a time without a date is of the day of the scan, or of the one before."""
    written = tracer.text("RadiopharmaceuticalStartDateTime")
    given = _moment(written[:8], written[8:])
    if given is not None:
        return given
    alone = _moment(scan.strftime("%Y%m%d"), tracer.text("RadiopharmaceuticalStartTime"))
    if alone is None:
        raise DicomError(_missing("RadiopharmaceuticalStartDateTime", "(0018,1078)"))
    return alone if alone <= scan else alone - _ONE_DAY


def _moment(day: str, time: str) -> datetime | None:
    """Return the moment of a date (YYYYMMDD) and a time (HHMMSS.FFFFFF), None where either cannot be read."""
    time = time.partition("+")[0].partition("-")[0].replace(":", "").strip()
    try:
        midnight = datetime.combine(date(int(day[:4]), int(day[4:6]), int(day[6:8])), datetime.min.time())
        return midnight + timedelta(hours=int(time[:2]), minutes=int(time[2:4] or 0), seconds=float(time[4:] or 0))
    except (ValueError, OverflowError):
        return None


def _required(holder: DataSet, keyword: str, tag: str) -> float:
    value = holder.number(keyword)
    if value is None or not value > 0:
        raise DicomError(_missing(keyword, tag))
    return value


def _missing(what: str, tag: str) -> str:
    return f"SUV needs {what} {tag}, which is missing; leave out `suv`, or exclude the case"
