// The weights of any layer as filters: one a unit.
#pragma once

#include <string>
#include <vector>

#include "fovea/backend/backend.h"
#include "fovea/model/model.h"

namespace fovea {

// The filters that make a layer's units.
struct FilterBank {
  int node = -1;     // the convolution, transposed convolution or fully connected layer that holds them
  std::string name;  // its name
  std::string kind;  // its operator
  Tensor weight;     // [O,I,K,K] f32; I counts the channels that one unit reads: those of its group
  int64_t groups = 1;
  bool reads_picture = false;  // nothing but normalisation lies between the picture and the filters
  int rectifier = -1;          // the node of the rectifier behind it; -1: none
  bool colour() const { return reads_picture && weight.size(1) == 3; }
};

// The filters of the layer that `layer` is, or that it only passes on (its rectifier, normalisation, bias). A fully
// connected layer on maps [1,C,H,W] that were flattened has filters [O,C,H,W]. Weights of one spatial axis become rows
// (height 1). Throws Error{usage}, naming layers that have some, for a layer without filters, one whose weights are
// computed at run time or are not shared between the places (locally connected), and for three spatial axes.
FilterBank filter_bank(const Model& model, Value layer);

// The first convolution or fully connected layer that reads the picture. Throws Error{usage} where there is none.
FilterBank first_filter_bank(const Model& model);

// The names of all layers that have filters, in the order of computation.
std::vector<std::string> layers_with_filters(const Model& model);

struct FilterStatistics {
  double norm = 0;  // L2
  double mean = 0, least = 0, greatest = 0;
  bool negligible = false;  // a norm of at most 1/10000 of the layer's median: the filter does next to nothing
  int64_t not_finite = 0;   // weights that are NaN or infinite; they count in nothing else
};
std::vector<FilterStatistics> filter_statistics(const FilterBank& bank);

// cos(a, b) = a·b / (|a| |b|) of all pairs of filters as rows of numbers [O,O] f32, without removing their means; 0
// where a filter is zero or not finite. Computed as one matrix product on the backend.
Tensor filter_cosines(const FilterBank& bank, Backend& backend);

struct FilterPair {
  int64_t a = 0, b = 0;  // a < b
  double cosine = 0;
};
// Pairs that are nearly the same filter, or its negative: |cos| >= threshold, the most alike first, equal ones by their
// numbers. Throws Error{usage} for a threshold outside (0, 1].
std::vector<FilterPair> near_duplicates(const Tensor& cosines, double threshold);

// A tour through the filters in which neighbours are alike: from filter `first` always on to the most similar one that
// is left, then shortened by reversing stretches (2-opt) until none helps. The length of a step is 1 − cos. A good
// order, not the best one: that is the travelling salesman's problem. Source: G. Croes, "A method for solving
// traveling-salesman problems", 1958. Throws Error{usage} for a filter that is not there.
std::vector<int64_t> similarity_order(const Tensor& cosines, int64_t first);

}  // namespace fovea
