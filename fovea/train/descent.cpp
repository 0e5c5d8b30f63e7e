#include "fovea/train/descent.h"

namespace fovea {

int64_t Descent::run(const Context& context, int64_t total, const Feed& feed) {
  while (step_ < total && !context.cancelled()) {
    const std::vector<Tensor> watched = program_.run(feed(step_));
    const DescentStep now{step_, total, watched};
    ++step_;
    for (const Observer& observer : observers_) observer(now);
  }
  return step_;
}

Descent::Observer progress_observer(const Context& context, std::string what, std::string detail_name) {
  double smooth = -1;  // a running mean: single batches jump
  return
      [&context, what = std::move(what), detail_name = std::move(detail_name), smooth](const DescentStep& s) mutable {
        const double value = s.watched.empty() ? 0 : s.watched[0].at(0);
        smooth = smooth < 0 ? value : 0.95 * smooth + 0.05 * value;
        context.report({what, s.step + 1, s.total, fmt::format("{} {:.3f}", detail_name, smooth)});
      };
}

}  // namespace fovea
