// resnet reference: writes the man pages and the completions for bash, zsh and fish, which the build installs. --help
// does not show it. A command that another program carries out, `resnet train`, has its page from that program, which
// knows its options.
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/completion.h"
#include "cli/man_page.h"

namespace resnet::cli {
namespace {

void write(const std::filesystem::path& path, const std::string& text) {
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  if (error) fail(ErrorCode::kIo, path.parent_path().string(), "{}", error.message());
  AtomicFile file(path.string());
  file.write(text);
  file.commit();
}

void write_reference(const Command& program, const std::filesystem::path& folder) {
  const std::vector<ManPage> pages = man_pages(program.parser());
  for (const ManPage& page : pages) write(folder / "man1" / (page.name + ".1"), page.text);
  const std::string& name = pages.front().name;
  write(folder / "bash-completion" / name, bash_completion(program.parser()));
  write(folder / "zsh" / ("_" + name), zsh_completion(program.parser()));
  write(folder / "fish" / (name + ".fish"), fish_completion(program.parser()));
}

}  // namespace

void add_reference(Command& app) {
  Command* command = app.add_subcommand("reference", "Write the man pages and the completions for shells");
  command->group("");
  auto folder = std::make_shared<std::string>();
  command
      ->add_option(
          "FOLDER", *folder,
          "Where to: FOLDER/man1/*.1, FOLDER/bash-completion/resnet, FOLDER/zsh/_resnet, FOLDER/fish/resnet.fish")
      ->required();
  command->footer("Example:\n  resnet reference build/reference");
  command->callback([&app, folder] { write_reference(app, *folder); });
}

}  // namespace resnet::cli
