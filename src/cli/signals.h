// What a program of the project does about its surroundings: standard streams that are closed, and signals that end it.
#pragma once

namespace resnet::cli {

// First of all: where standard input, output or error is closed, its descriptor leads to /dev/null, so that no file
// that is opened later takes its place and gets what is printed. Reading and writing fail as they do on a closed one.
void hold_standard_descriptors();

// A signal that ends the process (an interrupt, a hangup, a broken pipe) removes its temporary files before. One that
// was ignored at the start stays so. A file above the limit on sizes is an error and no signal.
void remove_temporary_files_at_signals();

// From now on SIGINT, SIGTERM and SIGHUP are only noted. A second one ends the process at once, or is let pass where it
// ends soon in any case, and has to.
enum class SecondSignal { kEnds, kPasses };
void catch_signals(SecondSignal second = SecondSignal::kEnds);

// Says `line` on standard error the moment that the first of them comes. It is a literal with its newline.
void say_at_signal(const char* line);

// The signal that asked the run to end; 0: none yet.
int stop_signal();

// Thrown where a command ends because of stop_signal(): run_program() then ends as the signal would have.
struct Interrupted {};

[[noreturn]] void end_by_signal(int signal);

}  // namespace resnet::cli
