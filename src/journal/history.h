// What a run has measured, epoch by epoch, as text: JSON for checkpoints, CSV and the report for people.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "console/json.h"
#include "resnet/epoch_record.h"

namespace resnet {

// One field of a record: its name in CSV and JSON.
struct RecordField {
  std::string_view name;
  double (*get)(const EpochRecord&);
  void (*set)(EpochRecord&, double);
  bool whole;  // a count
};
std::span<const RecordField> record_fields();

Json to_json(const EpochRecord& record);  // null for what was not measured
Json to_json(std::span<const EpochRecord> history);

// Throws kFormat; the place is `where`.
std::vector<EpochRecord> parse_history(const std::string& json, const std::string& where);

// A header and a line per epoch; what was not measured is empty.
std::string to_csv(std::span<const EpochRecord> history);

}  // namespace resnet
