// What a network takes a picture for.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fovea/model/model.h"

namespace fovea {

struct Guess {
  int64_t index = 0;  // class
  std::string name;
  double probability = 0;
  double score = 0;  // as the network gave it
};

// Probabilities of one row of scores: the scores themselves where the network ends in softmax, else their softmax.
std::vector<double> probabilities_of(const Tensor& scores, bool already);

// The `count` best guesses, best first; equal ones by class number.
std::vector<Guess> best_guesses(const Tensor& scores, const Meaning& meaning, int64_t count);

}  // namespace fovea
