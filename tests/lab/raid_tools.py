"""What storcli, sas3ircu, arcconf and ssacli print of made-up machines."""

import json

Drives = dict[str, str]


def storcli(*, drives: Drives, volume: str = "Optl", battery: str | None = None, status: str = "") -> bytes:
    """`storcli64 /call show all J`. ``drives``: slot to state."""
    said = status or ("Optimal" if volume == "Optl" else "Degraded")
    data: dict[str, object] = {
        "Basics": {
            "Controller": 0,
            "Model": "AVAGO MegaRAID SAS 9361-8i",
            "Serial Number": "SK00000001",
            "PCI Address": "00:3b:00:00",
        },
        "Version": {
            "Firmware Package Build": "24.21.0-0067",
            "Firmware Version": "4.680.00-8249",
            "Bios Version": "6.36.00.2_4.19.08.00_0x06180203",
            "Driver Name": "megaraid_sas",
        },
        "Status": {"Controller Status": said, "Memory Uncorrectable Errors": 0, "BBU Status": 0},
        "Virtual Drives": 1,
        "VD LIST": [
            {
                "DG/VD": "0/239",
                "TYPE": "RAID1",
                "State": volume,
                "Access": "RW",
                "Size": "446.625 GB",
                "Name": "os",
            }
        ],
        "Physical Drives": len(drives),
        "PD LIST": [
            {
                "EID:Slt": slot,
                "DID": index,
                "State": state,
                "DG": 0,
                "Size": "3.637 TB",
                "Intf": "SATA",
                "Med": "HDD",
                "SeSz": "512B",
                "Model": "WD4000FYYX",
            }
            for index, (slot, state) in enumerate(drives.items())
        ],
    }
    if battery is not None:
        data["Cachevault_Info"] = [{"Model": "CVPM02", "State": battery, "Temp": "28C", "Mode": "-"}]
    return _answer(data)


def storcli_drives(media_errors: dict[str, int], *, serial: str = "WD-1", alert: str = "No") -> bytes:
    """`storcli64 /call/eall/sall show all J`."""
    data: dict[str, object] = {}
    for slot, errors in media_errors.items():
        enclosure, number = slot.split(":")
        drive = f"Drive /c0/e{enclosure}/s{number}"
        data[drive] = [{"EID:Slt": slot, "State": "Onln"}]
        data[f"{drive} - Detailed Information"] = {
            f"{drive} State": {
                "Shield Counter": 0,
                "Media Error Count": errors,
                "Other Error Count": 2,
                "Drive Temperature": " 30C (86.00 F)",
                "Predictive Failure Count": 0,
                "S.M.A.R.T alert flagged by drive": alert,
            },
            f"{drive} Device attributes": {
                "SN": f"     {serial}",
                "Manufacturer Id": "ATA     ",
                "Model Number": "WD4000FYYX",
                "WWN": "50014EE26101EEE7",
                "Firmware Revision": "00.0D1K4",
                "Raw size": "3.638 TB [0x1bf1f72b0 Sectors]",
                "Logical Sector Size": "512B",
            },
        }
    return _answer(data)


def _answer(data: dict[str, object]) -> bytes:
    status = {"CLI Version": "007.2807", "Controller": 0, "Status": "Success", "Description": "None"}
    return json.dumps({"Controllers": [{"Command Status": status, "Response Data": data}]}).encode()


SAS3IRCU_LIST = b"""Avago Technologies SAS3 IR Configuration Utility.
Version 17.00.00.00 (2018.04.02)

         Adapter      Vendor  Device                        SubSys  SubSys
 Index    Type          ID      ID    Pci Address          Ven ID  Dev ID
 -----  ------------  ------  ------  -----------------    ------  ------
   0     SAS3008       1000h    97h   00h:81h:00h:00h      15d9h   0808h
   1     SAS3008       1000h    97h   01h:03h:00h:00h      15d9h   0808h
SAS3IRCU: Utility Completed Successfully.
"""

SAS3IRCU = b"""Avago Technologies SAS3 IR Configuration Utility.
Read configuration has been initiated for controller 0
------------------------------------------------------------------------
Controller information
------------------------------------------------------------------------
  Controller type                         : SAS3008
  BIOS version                            : 8.37.00.00
  Firmware version                        : 16.00.01.00
  Channel description                     : 1 Serial Attached SCSI
  Initiator ID                            : 0
  RAID Support                            : Yes
------------------------------------------------------------------------
IR Volume information
------------------------------------------------------------------------
IR volume 1
  Volume ID                               : 905
  PI Supported                            : Yes
  Status of volume                        : Degraded (DGD)
  Volume wwid                             : 06b7ce3bdcc5d8b8
  RAID level                              : RAID1
  Size (in MB)                            : 571250
  Physical hard disks                     :
  PHY[0] Enclosure#/Slot#                 : 2:0
  PHY[1] Enclosure#/Slot#                 : 2:1
------------------------------------------------------------------------
Physical device information
------------------------------------------------------------------------
Initiator at ID #0

Device is a Hard disk
  Enclosure #                             : 2
  Slot #                                  : 0
  SAS Address                             : 5000cca-0-7076-baad
  State                                   : Optimal (OPT)
  Size (in MB)/(in sectors)               : 572325/1172123567
  Manufacturer                            : HITACHI
  Model Number                            : HUC109060CSS600
  Firmware Revision                       : A440
  Serial No                               : W7J3969G
  GUID                                    : 5000cca07076baac
  Protocol                                : SAS
  Drive Type                              : SAS_HDD

Device is a Hard disk
  Enclosure #                             : 2
  Slot #                                  : 1
  State                                   : Failed (FLD)
  Model Number                            : HUC109060CSS600
  Serial No                               : W7J3TW9G

Device is a Enclosure services device
  Enclosure #                             : 2
  Slot #                                  : 24
  State                                   : Standby (SBY)
------------------------------------------------------------------------
Enclosure information
------------------------------------------------------------------------
  Enclosure#                              : 2
  Logical ID                              : 500304801a2b3c3f
  Numslots                                : 24
SAS3IRCU: Command DISPLAY Completed Successfully.
"""

ARCCONF = b"""Controllers found: 1
----------------------------------------------------------------------
Controller information
----------------------------------------------------------------------
   Controller Status                        : Optimal
   Controller Mode                          : RAID (Hide RAW)
   Channel description                      : SAS/SATA
   Controller Model                         : Adaptec ASR71605
   Controller Serial Number                 : 2C22135CF48
   Temperature                              : 46 C/ 114 F (Normal)
   Logical devices/Failed/Degraded          : 1/0/1
   --------------------------------------------------------
   Controller Version Information
   --------------------------------------------------------
   BIOS                                     : 7.5-0 (32118)
   Firmware                                 : 7.5-0 (32118)
   Driver                                   : 1.2-1 (50983)
   --------------------------------------------------------
   Controller Cache Backup Unit Information
   --------------------------------------------------------

    Overall Backup Unit Status              : Not Ready

         Backup Unit Type                   : AFM-700/700LP
         Non-Volatile Storage Status        : Ready
         Supercap Status                    : Fatal

----------------------------------------------------------------------
Logical device information
----------------------------------------------------------------------
Logical Device number 0
   Logical Device name                      : data
   RAID level                               : 5
   Status of Logical Device                 : Degraded
   Size                                     : 5723128 MB
   --------------------------------------------------------
   Logical Device segment information
   --------------------------------------------------------
   Segment 0                                : Present (2861588MB, SATA, HDD, Channel:0, Device:10) WD-WCC4N0
   Segment 1                                : Missing

----------------------------------------------------------------------
Physical Device information
----------------------------------------------------------------------
      Device #0
         Device is a Hard drive
         State                              : Online
         Block Size                         : 512 Bytes
         Transfer Speed                     : SATA 6.0 Gb/s
         Reported Channel,Device(T:L)       : 0,10(10:0)
         Reported Location                  : Connector 0, Device 1
         Vendor                             : WDC
         Model                              : WD30EFRX-68EUZN0
         Firmware                           : 82.00A82
         Serial number                      : WD-WCC4N0RUUPKF
         Total Size                         : 2861588 MB
         S.M.A.R.T.                         : No
         S.M.A.R.T. warnings                : 3
         Temperature                        : Not Supported
      Device #1
         Device is a Hard drive
         State                              : Ready
         Reported Channel,Device(T:L)       : 0,11(11:0)
         Reported Location                  : Connector 0, Device 2
         Model                              : WD30EFRX-68EUZN0
         Serial number                      : WD-WCC4N0RUUPKG
         S.M.A.R.T. warnings                : 0
      Device #2
         Device is an Enclosure Services Device
         Reported Channel,Device(T:L)       : 2,0(0:0)
         Type                               : SES2

Command completed successfully.
"""

SSACLI = b"""
Smart Array P408i-a SR Gen10 in Slot 0 (Embedded)
   Bus Interface: PCI
   Slot: 0
   Serial Number: PEYHB0ARCAJ10N
   RAID 6 Status: Enabled
   Controller Status: OK
   Hardware Revision: B
   Firmware Version: 3.00
   Cache Status: OK
   Battery/Capacitor Count: 1
   Battery/Capacitor Status: Failed (Replace Batteries)
   PCI Address (Domain:Bus:Device.Function): 0000:5C:00.0
   Number of Ports: 2 Internal only

   Array: A
      Interface Type: SAS
      Unused Space: 0  MB
      Status: Failed Physical Drive

      Logical Drive: 1
         Size: 279.37 GB
         Fault Tolerance: 1
         Status: Interim Recovery Mode
         Disk Name: /dev/sda
         Mirror Group 1:
            physicaldrive 1I:1:1 (port 1I:box 1:bay 1, SAS HDD, 300 GB, OK)
         Mirror Group 2:
            physicaldrive 1I:1:2 (port 1I:box 1:bay 2, SAS HDD, 300 GB, Predictive Failure)

      physicaldrive 1I:1:1
         Port: 1I
         Box: 1
         Bay: 1
         Status: OK
         Drive Type: Data Drive
         Interface Type: SAS
         Firmware Revision: HPD2 (FW update is recommended to minimum version: HPD7)
         Serial Number: 3PD0EYNW
         Model: HP      DH072ABAA6
         Current Temperature (C): 32
      physicaldrive 1I:1:2
         Port: 1I
         Box: 1
         Bay: 2
         Status: Predictive Failure

   Enclosure SEP (Vendor ID HPE, Model Smart Adapter) 379
      Firmware Version: 3.00
"""
