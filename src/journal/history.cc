#include "journal/history.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace resnet {
namespace {

#define RESNET_FIELD(NAME, WHOLE)                                                                                            \
  RecordField {                                                                                                              \
#NAME,                                                                                                                   \
        [](const EpochRecord&                                                                                                \
               r) { return static_cast<double>(r.NAME); },                                                                   \
                                                        [](EpochRecord & r,                                                  \
                                                           double                                                            \
                                                               value) { r.NAME = static_cast<decltype(r.NAME)>(value); },    \
                                                                                                                       WHOLE \
  }

constexpr RecordField kFields[] = {
    RESNET_FIELD(epoch, true),       RESNET_FIELD(step, true),        RESNET_FIELD(lr, false),
    RESNET_FIELD(train_loss, false), RESNET_FIELD(train_top1, false), RESNET_FIELD(val_loss, false),
    RESNET_FIELD(val_top1, false),   RESNET_FIELD(val_top5, false),   RESNET_FIELD(ema_loss, false),
    RESNET_FIELD(ema_top1, false),   RESNET_FIELD(ema_top5, false),   RESNET_FIELD(images_per_second, false),
    RESNET_FIELD(seconds, false),
};

Json number(const RecordField& field, const EpochRecord& record) {
  const double value = field.get(record);
  return field.whole && std::isfinite(value) ? Json(static_cast<std::int64_t>(value)) : Json(value);
}

}  // namespace

std::span<const RecordField> record_fields() { return kFields; }

Json to_json(const EpochRecord& record) {
  JsonObject object;
  for (const RecordField& field : kFields) object.add(field.name, number(field, record));
  return object;
}

Json to_json(std::span<const EpochRecord> history) {
  JsonArray array;
  for (const EpochRecord& record : history) array.add(to_json(record));
  return array;
}

std::vector<EpochRecord> parse_history(const std::string& json, const std::string& where) {
  std::vector<EpochRecord> history;
  try {
    for (const nlohmann::json& item : nlohmann::json::parse(json)) {
      EpochRecord& record = history.emplace_back();
      for (const RecordField& field : kFields) {
        const nlohmann::json& value = item.at(std::string(field.name));
        field.set(record, value.is_null() && !field.whole ? EpochRecord::kNone : value.get<double>());
      }
    }
  } catch (const nlohmann::json::exception&) {
    fail(ErrorCode::kFormat, where, "its history is no list of epochs");
  }
  return history;
}

std::string to_csv(std::span<const EpochRecord> history) {
  std::vector<std::string> cells;
  for (const RecordField& field : kFields) cells.emplace_back(field.name);
  std::string text = fmt::format("{}\n", fmt::join(cells, ","));
  for (const EpochRecord& record : history) {
    cells.clear();
    for (const RecordField& field : kFields) {
      cells.push_back(std::isfinite(field.get(record)) ? number(field, record).text() : "");
    }
    text += fmt::format("{}\n", fmt::join(cells, ","));
  }
  return text;
}

}  // namespace resnet
