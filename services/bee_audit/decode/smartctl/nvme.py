"""The NVMe parts of smartctl's JSON, to the same facts as the log pages themselves."""

from bee_audit.decode.loose_json import JsonValue
from bee_audit.decode.nvme import DATA_UNIT_BYTES, SELF_TEST_KINDS, self_test_result, warning_names
from bee_bus.documents.disk_health import NvmeError, NvmeHealth, SelfTestLog


def health(document: JsonValue) -> NvmeHealth | None:
    log = document.at("nvme_smart_health_information_log")
    if not log.is_object():
        return None
    # Two places say the same thing; that they differ would be a defect of the reading, and the worse counts.
    warnings = [
        bits
        for place in (log.at("critical_warning"), document.at("smart_status", "nvme", "value"))
        if (bits := place.integer(high=255)) is not None
    ]
    critical_warning = None
    for bits in warnings:
        critical_warning = bits | (critical_warning or 0)
    sensors = log.at("temperature_sensors")
    return NvmeHealth(
        critical_warning=critical_warning,
        critical_warnings=warning_names(critical_warning or 0),
        composite_temperature_celsius=log.at("temperature").integer(low=-60, high=200),
        available_spare_percent=log.at("available_spare").integer(high=100),
        available_spare_threshold_percent=log.at("available_spare_threshold").integer(high=100),
        percentage_used=log.at("percentage_used").integer(high=255),
        bytes_read=_bytes(log.at("data_units_read")),
        bytes_written=_bytes(log.at("data_units_written")),
        host_read_commands=log.at("host_reads").integer(),
        host_write_commands=log.at("host_writes").integer(),
        controller_busy_minutes=log.at("controller_busy_time").integer(),
        power_cycles=log.at("power_cycles").integer(),
        power_on_hours=log.at("power_on_hours").integer(),
        unsafe_shutdowns=log.at("unsafe_shutdowns").integer(),
        media_errors=log.at("media_errors").integer(),
        error_log_entries=log.at("num_err_log_entries").integer(),
        warning_temperature_minutes=log.at("warning_temp_time").integer(),
        critical_temperature_minutes=log.at("critical_comp_time").integer(),
        temperature_sensors_celsius=sensors.integers(low=-60, high=200),
    )


def _bytes(units: JsonValue) -> int | None:
    count = units.integer()
    return JsonValue(count * DATA_UNIT_BYTES).integer() if count is not None else None


def errors(document: JsonValue) -> tuple[NvmeError, ...]:
    found = []
    for row in document.at("nvme_error_information_log", "table").items():
        number = row.at("error_count").integer(low=1)
        status = row.at("status_field")
        if number is not None:
            found.append(
                NvmeError(
                    number=number,
                    description=status.at("string").text() or "no status",
                    status_type=status.at("status_code_type").integer(high=7),
                    status_code=status.at("status_code").integer(high=255),
                    lba=row.at("lba", "value").integer(),
                    namespace=row.at("nsid").integer(low=1, high=0xFFFFFFFE),
                )
            )
    return tuple(found)


def self_tests(document: JsonValue) -> SelfTestLog | None:
    log = document.at("nvme_self_test_log")
    if not log.is_object():
        return None
    operation = log.at("current_self_test_operation", "value").integer(high=15)
    results = []
    for row in log.at("table").items():
        code = row.at("self_test_code", "value").integer(high=15)
        result = row.at("self_test_result", "value").integer(high=15)
        if code is not None and result is not None:
            results.append(
                self_test_result(
                    code=code,
                    result=result,
                    power_on_hours=row.at("power_on_hours").integer(),
                    first_error_lba=row.at("lba").first("value").integer() or row.at("lba").integer(),
                )
            )
    percent = log.at("current_self_test_completion_percent").integer(high=127)
    return SelfTestLog(
        supported=True,
        running=SELF_TEST_KINDS.get(operation, f"code {operation:x}h") if operation else None,
        running_percent_done=percent if operation else None,
        results=tuple(results),
    )
