// resnet preprocess: the tensor that a network would see, or the decoded picture, as a .npy file.
#include <fmt/format.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/command.h"
#include "cli/inputs.h"
#include "cli/preprocess_options.h"
#include "formats/npy.h"
#include "resnet/classifier.h"

namespace resnet::cli {
namespace {

struct PreprocessCommand {
  std::string image;
  std::string output;
  std::string model;  // empty: none
  PreprocessOptions options;
  bool pixels = false;
  bool ignore_orientation = false;
  std::int64_t max_pixels = kMaxPixels;
};

constexpr std::size_t kMaxStandardInput = std::size_t{1} << 28;

ResolvedPreprocessing resolve_for(const PreprocessCommand& command) {
  if (!command.model.empty()) {
    const Model model = load_model(command.model, {.allow_nonfinite = true});  // its weights are not used
    return resolve(command.options, model.preprocessing, model.architecture.in_channels,
                   assume_preprocessing(model.architecture));
  }
  const int channels = command.options.mean.empty() ? 3 : static_cast<int>(command.options.mean.size());
  return resolve(command.options, std::nullopt, channels, preset("torchvision"));
}

void write(const PreprocessCommand& command, std::span<const std::byte> bytes, std::string_view where) {
  DecodeOptions decode;
  decode.apply_orientation = !command.ignore_orientation;
  decode.max_pixels = command.max_pixels;
  PictureNotes notes;
  decode.notes = &notes;
  if (command.pixels) {
    const Image image = decode_image(bytes, where, decode);
    const std::int64_t shape[] = {image.height, image.width, image.channels};
    write_npy(command.output, shape, std::span(image.pixels));
    return say_notes(command.image, notes);
  }
  const ResolvedPreprocessing resolved = resolve_for(command);
  const Preprocessing& how = resolved.how;
  const std::int64_t shape[] = {1, static_cast<std::int64_t>(how.mean.size()), how.height, how.width};
  std::vector<float> tensor(how.mean.size() * static_cast<std::size_t>(how.height) *
                            static_cast<std::size_t>(how.width));
  load_input(bytes, where, how, tensor, decode);
  write_npy(command.output, shape, std::span<const float>(tensor));
  say_notes(command.image, notes);  // behind what may fail, so that an error stays one line
  print_assumed(resolved);
}

void run(const PreprocessCommand& command) {
  check_writable(command.output);
  if (command.image == "-") {
    write(command, read_stream(STDIN_FILENO, "standard input", kMaxStandardInput), "standard input");
  } else {
    write(command, read_file(command.image), command.image);
  }
}

}  // namespace

void add_preprocess(Command& app) {
  Command* sub = app.add_subcommand("preprocess", "Write the tensor that a network would see");
  auto command = std::make_shared<PreprocessCommand>();
  sub->add_option("PICTURE", command->image, "JPEG, PNG or WebP file, .npy array, - for standard input")->required();
  sub->add_option("-o,--out,--output", command->output, "The .npy file: 1x3xHxW float32")
      ->type_name("FILE")
      ->required();
  sub->add_option("--model", command->model, "Model that says how to prepare it; flags win")->type_name("FILE");
  sub->add_flag("--pixels", command->pixels, "The decoded picture before any resizing instead: HxWx3 uint8");
  sub->add_flag("--ignore-orientation", command->ignore_orientation, "Do not turn the picture as its EXIF data says")
      ->group(kPreprocessing);
  add_preprocess_options(*sub, command->options);
  add_max_pixels_option(*sub, command->max_pixels);
  sub->footer("Example: resnet preprocess cat.jpg -o cat.npy --preset torchvision");
  sub->callback([command] { run(*command); });
}

}  // namespace resnet::cli
