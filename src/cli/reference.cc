// resnet reference: writes the man pages and the completion for bash, which the build installs. --help does not show
// it. A command that another program carries out, `resnet train`, has its page from that program, which knows its
// options.
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "cli/bash_completion.h"
#include "cli/command.h"
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
  write(folder / "bash-completion" / pages.front().name, bash_completion(program.parser()));
}

}  // namespace

void add_reference(Command& app) {
  Command* command = app.add_subcommand("reference", "Write the man pages and the completion for bash");
  command->group("");
  auto folder = std::make_shared<std::string>();
  command->add_option("FOLDER", *folder, "Where to: FOLDER/man1/*.1, FOLDER/bash-completion/resnet")->required();
  command->footer("Example:\n  resnet reference build/reference");
  command->callback([&app, folder] { write_reference(app, *folder); });
}

}  // namespace resnet::cli
