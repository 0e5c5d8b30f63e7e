// How a piece of work was compiled, so that it can be repeated to the same bits.
#pragma once

#include <string>
#include <vector>

namespace fovea {

// While a book is open, all programs that its thread compiles write their plans into it, in that order, and follow the
// plans that it was opened with. (A setting of the call, CompileOptions::plan, goes before it.) Books nest: the last
// one that was opened is the one. Where a plan cannot be followed, compile() throws as for CompileOptions::plan.
class PlanBook {
 public:
  explicit PlanBook(std::vector<std::string> follow = {});
  ~PlanBook();
  PlanBook(const PlanBook&) = delete;
  PlanBook& operator=(const PlanBook&) = delete;

  // Of the programs compiled so far; plans that were to be followed and have not been reached yet are there too.
  const std::vector<std::string>& plans() const { return plans_; }

  size_t compiled() const { return compiled_; }  // programs so far

  // For compile(): this thread's book, or null; the plan to follow next, or ""; and what was made of it.
  static PlanBook* current();
  std::string next() const { return compiled_ < plans_.size() ? plans_[compiled_] : std::string(); }
  void add(const std::string& plan);

 private:
  std::vector<std::string> plans_;
  size_t compiled_ = 0;
  PlanBook* outer_;
};

}  // namespace fovea
