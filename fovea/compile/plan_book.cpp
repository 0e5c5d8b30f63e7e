#include "fovea/compile/plan_book.h"

#include <utility>

namespace fovea {

namespace {
thread_local PlanBook* innermost = nullptr;
}

PlanBook::PlanBook(std::vector<std::string> follow)
    : plans_(std::move(follow)), outer_(std::exchange(innermost, this)) {}

PlanBook::~PlanBook() { innermost = outer_; }

PlanBook* PlanBook::current() { return innermost; }

void PlanBook::add(const std::string& plan) {
  if (compiled_++ == plans_.size()) plans_.push_back(plan);
}

}  // namespace fovea
