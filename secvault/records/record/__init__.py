"""Records at rest: plain fields in clear, sensitive ones sealed, and a tag over all of it.

Promised: a record comes back as it was written, or not at all. The envelope of a field binds its
place (design: collection, record, field); the tag, under the data key, binds the parts to each
other: an old envelope put back, a plain field changed, a sealed field removed or a version turned
back makes the record fail to open. The records of one data subject in a collection share a data
key, which goes with the last of them. Start at `create_records` and `read_records`.
"""

from secvault.records.record.changing import delete_record, update_record
from secvault.records.record.creating import create_record, create_records, ensure_collection_keys
from secvault.records.record.form import RECORD_ID, Record, check_id
from secvault.records.record.reading import read_record, read_records, read_to_change, record_ids
from secvault.records.record.subject import subject_of

__all__ = [
    "RECORD_ID",
    "Record",
    "check_id",
    "create_record",
    "create_records",
    "delete_record",
    "ensure_collection_keys",
    "read_record",
    "read_records",
    "read_to_change",
    "record_ids",
    "subject_of",
    "update_record",
]
