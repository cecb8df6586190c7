"""Errors of DICOM files as reasons of a case, without anything that a file or its path may say of a patient."""

from collections.abc import Iterator
from contextlib import contextmanager

from catalog.drop_reasons import Reason
from curate.dicom.data_set import DicomError
from curate.errors import CaseError


@contextmanager
def reasons(name: str) -> Iterator[None]:
    """Turn whatever is raised while `name` is read into a CaseError.

    The text of an unknown exception is left out: it may quote a value or a path.
    """
    try:
        yield
    except CaseError:
        raise
    except DicomError as error:
        raise CaseError(Reason.UNREADABLE, f"{name} cannot be read: {error}") from None
    except MemoryError:
        raise CaseError(Reason.MEMORY, f"{name}: not enough memory to decode it") from None
    except OSError as error:
        raise CaseError(
            Reason.UNREADABLE, f"{name} cannot be read: {error.strerror or 'it cannot be opened'}"
        ) from None
    except Exception as error:
        raise CaseError(Reason.UNREADABLE, f"{name} cannot be read: {type(error).__name__}") from None
