// Threads that several engines of one thread share, for times when few runs are under way: they help with whichever run
// comes first, step by step, as long as nothing else needs them. A program that answers many calls side by side, each
// on one thread, so answers a lone one sooner. Where other programs have the processors, helpers rest.
//
// Answers stay what they were, to the bit: algorithms are chosen for one thread, and a step that would give other bits
// in other parts keeps its own.
#pragma once

#include <functional>
#include <memory>

namespace resnet {

// All functions may be called from several threads at the same time. It must not outlive what `free` reads.
class Crew {
 public:
  // `helpers`: threads besides those that call, 1 to 1,023, else kInvalidArgument. `free` says how many of them may
  // work now; every run asks before each of its steps, from its own thread, so it must be quick and must not throw.
  Crew(int helpers, std::function<int()> free);
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;
  ~Crew();

  int helpers() const noexcept;

  struct Team;  // the engine's
  Team& team() const noexcept { return *team_; }

 private:
  std::unique_ptr<Team> team_;
};

}  // namespace resnet
