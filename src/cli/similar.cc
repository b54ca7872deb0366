// resnet similar: the pictures of an index that are most like one.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "base/text.h"
#include "cli/classifier_options.h"
#include "cli/command.h"
#include "cli/inputs.h"
#include "console/json.h"
#include "console/output.h"
#include "evaluate/file_hash.h"
#include "evaluate/sight.h"
#include "explain/index.h"
#include "model/answer.h"
#include "report/heat.h"
#include "resnet/explain.h"

namespace resnet::cli {
namespace {

struct SimilarCommand {
  std::string index;
  std::string image;
  std::string model;  // empty: where the index says
  std::string contact_sheet;
  int top = 12;
  int threads = 0;
  std::int64_t max_pixels = kMaxPixels;
  bool json = false;
  bool allow_nonfinite = false;
};

// The classifier that made the index, and no other.
Classifier load_for(const EmbeddingIndex& index, const SimilarCommand& command) {
  const IndexNotes& notes = index.notes();
  const std::string& path = command.model.empty() ? notes.model : command.model;
  std::error_code error;
  if (command.model.empty() && !std::filesystem::exists(path, error)) {
    fail(ErrorCode::kNotFound, command.index, "made with {}, which is not there; --model says where it is", path);
  }
  const std::string hash = digest_of_model(path).sha256;
  if (hash != notes.model_sha256) {
    fail(ErrorCode::kMismatch, command.index, "made with another model than {}: SHA-256 {}..., not {}...", path,
         notes.model_sha256.substr(0, 12), hash.substr(0, 12));
  }
  ClassifierOptions options;
  options.engine.threads = command.threads;
  options.engine.precision = notes.precision;
  options.preprocessing = notes.preprocessing;
  options.allow_nonfinite = command.allow_nonfinite;
  LoadOptions load;
  if (notes.architecture) load.architecture = find_architecture(*notes.architecture);
  load.allow_nonfinite = command.allow_nonfinite;
  if (notes.network) load.architecture = notes.network;
  load.take = notes.take;
  load.head = notes.head;
  return Classifier(load_model_aloud(path, load), options);
}

Tile tile_of(const Item& item, const std::string& subtitle, const Classifier& classifier, const DecodeOptions& decode) {
  const std::filesystem::path name(item.path);  // files of several folders may have one name
  Tile tile{{}, (name.parent_path().filename() / name.filename()).string(), subtitle};
  try {
    tile.picture = read_sight(item, classifier, decode).picture;
  } catch (const Error& error) {  // the others are still worth seeing
    say(error.what());
    tile.picture = {1, 1, 1, {200}};
    tile.subtitle += ", not readable";
  }
  return tile;
}

void find_similar(const SimilarCommand& command) {
  if (!command.contact_sheet.empty() && !command.contact_sheet.ends_with(".png")) {
    throw Usage(fmt::format("--out {}: the name must end in .png", command.contact_sheet));
  }
  if (!command.contact_sheet.empty()) check_writable(command.contact_sheet);
  const EmbeddingIndex index = EmbeddingIndex::open(command.index);
  const Classifier classifier = load_for(index, command);
  DecodeOptions decode;
  decode.apply_orientation = index.notes().apply_orientation;
  decode.max_pixels = command.max_pixels;
  Item item = find_items({command.image}).front();
  read_standard_input(item);
  const Sight query = read_sight(item, classifier, decode);
  say_notes(command.image, query.input.notes);
  const Embedder embedder(classifier, index.notes().layer);
  const std::vector<float> embedding = embedder.embed(query.input.values, query.input.shape);
  if (!command.allow_nonfinite) check_answer(embedding, command.image);
  const std::vector<Match> matches = index.nearest(embedding, static_cast<std::size_t>(command.top));

  JsonArray found;
  for (const Match& match : matches) {
    const std::string& path = index.notes().paths[match.row];
    if (command.json) {
      found.add(JsonObject{{"path", path}, {"row", match.row}, {"cosine", match.cosine}});
    } else {
      fmt::print("{:7.4f}  {}\n", match.cosine, printable(path));
    }
  }
  if (command.json) fmt::print("{}\n", JsonObject{{"path", command.image}, {"matches", found}}.text());

  if (command.contact_sheet.empty()) return;
  std::vector<std::string> paths;
  for (const Match& match : matches) paths.push_back(index.notes().paths[match.row]);
  const std::vector<Item> items = find_items(paths);
  std::vector<Tile> tiles;
  Progress progress("pictures", matches.size());
  for (std::size_t i = 0; i < matches.size(); ++i) {
    tiles.push_back(tile_of(items[i], fmt::format("{:.4f}", matches[i].cosine), classifier, decode));
    progress.update(static_cast<std::int64_t>(tiles.size()));
  }
  const std::string name = command.image == "-" ? "standard input" : command.image;
  write_image(command.contact_sheet,
              draw_contact_sheet({query.picture, std::filesystem::path(name).filename().string(),
                                  fmt::format("nearest of {} in {}", index.notes().paths.size(), index.notes().layer)},
                                 tiles));
}

}  // namespace

void add_similar(Command& app) {
  Command* sub = app.add_subcommand("similar", "Find the pictures that are most like one");
  auto command = std::make_shared<SimilarCommand>();
  sub->add_option("INDEX", command->index, "A .npy file that `resnet features` wrote")->required();
  sub->add_option("PICTURE", command->image, "JPEG, PNG or WebP file, .npy array, - for standard input")->required();
  sub->add_option("--model", command->model, "Where the index's model is now; another one is refused")
      ->type_name("FILE");
  sub->add_option("--top", command->top, "How many pictures")->capture_default_str()->check(Range(1, 10'000));
  sub->add_option("-o,--out,--contact-sheet", command->contact_sheet, "Show them in this .png file")->type_name("FILE");
  sub->add_option("--threads", command->threads, "Threads (one per processor)")->check(Range(0, 1024));
  add_max_pixels_option(*sub, command->max_pixels);
  add_nonfinite_option(*sub, command->allow_nonfinite);
  sub->add_flag("--json", command->json, "Print JSON");
  sub->footer(
      "Nearest by the cosine between embeddings. Pictures become tensors as they did for the index.\n"
      "Examples:\n"
      "  resnet similar photos.npy cat.jpg\n"
      "  resnet similar photos.npy cat.jpg --top 8 -o like-cat.png");
  sub->callback([command] { find_similar(*command); });
}

}  // namespace resnet::cli
