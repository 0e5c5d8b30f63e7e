// How often a network is right on a set of labelled pictures or rows of numbers, and how sure it was.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fovea/base/context.h"
#include "fovea/data/dataset.h"

namespace fovea {

// What is evaluated: something that takes pictures, or rows of numbers, in slots [0, batch()) and tells how likely each
// class is.
class BatchClassifier {
 public:
  virtual ~BatchClassifier() = default;
  virtual int64_t batch() const = 0;
  virtual int64_t classes() const = 0;
  // Prepares a picture as the input of a slot; called from any thread, from several at once for different slots.
  virtual void prepare(int64_t slot, const Image& picture) = 0;
  // The same for a row of numbers [F] or maps [C,H,W] of f32. Throws Error{usage} where the network takes pictures
  // only.
  virtual void prepare_values(int64_t slot, const Tensor& values);
  // Natural logarithms of the probabilities [count, classes] of the first `count` slots, in rows.
  virtual std::vector<double> log_probabilities(int64_t count) = 0;
};

struct ClassResult {
  int64_t index = 0;
  int64_t count = 0, errors = 0;
  double top1 = 0;  // share that was right, 0..1; 0 when there are none
};

// One picture that was scored.
struct SampleResult {
  int64_t index = 0;  // in the set
  int64_t label = 0, guess = 0;
  double confidence = 0;  // the probability of the guess, 0..1; NaN where the network gave only NaN
  double loss = 0;        // cross-entropy, in nats
  bool right = false;     // no class goes before the label's
};

struct Evaluation {
  int64_t count = 0;                  // samples that were scored
  bool rows = false;                  // they were rows of numbers, not pictures
  int64_t errors = 0;                 // whose best guess was wrong
  double top1 = 0, top5 = 0;          // share whose class was the best guess, among the five best; 0..1
  double loss = 0;                    // mean cross-entropy, in nats; NaN where the network gave NaN
  std::vector<ClassResult> classes;   // every class of the network
  std::vector<int64_t> confusion;     // [true class, best guess] counts; empty unless asked for
  std::vector<SampleResult> samples;  // in the set's order; empty unless asked for
  std::vector<std::string> skipped;   // one message for each picture that could not be read
};

struct EvaluationOptions {
  int64_t limit = 0;         // pictures from the first on; 0: all
  bool skip_broken = false;  // pictures that cannot be read are counted, otherwise they are errors
  bool confusion = false;
  bool samples = false;
};

// Scores the pictures of the set in their order. Pictures are decoded and prepared by all threads, a batch at a time.
// Of classes with the same probability the one with the smaller number goes first; NaN is the least likely. Throws
// Error{usage} naming the sample whose label the network does not know, and when the context is cancelled; what reading
// a picture throws, unless those are skipped.
Evaluation evaluate(const Context& context, const Dataset& data, BatchClassifier& network,
                    const EvaluationOptions& options = {});

}  // namespace fovea
