"""smartctl's JSON to facts: versions 7.0 to 7.5, of ATA, SCSI and NVMe disks, also behind controllers."""

from bee_audit.decode.smartctl.report import SmartReport, decode_report
from bee_audit.decode.smartctl.scan import ScannedDevice, decode_scan

__all__ = ["ScannedDevice", "SmartReport", "decode_report", "decode_scan"]
