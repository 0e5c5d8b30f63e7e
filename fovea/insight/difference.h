// What differs between two networks: their layers, their weights, and what they answer to a picture.
#pragma once

#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "fovea/backend/backend.h"
#include "fovea/compile/program.h"
#include "fovea/model/model.h"

namespace fovea {

// How far b is from a, over all elements.
struct Distance {
  double relative = 0;     // |b − a|₂ / |a|₂; infinite where only a is zero
  double cosine = 1;       // a·b / (|a|₂ |b|₂); 1 where both are zero, 0 where one is
  double largest = 0;      // the largest |b − a|
  int64_t at = -1;         // its place in row-major order; -1: all elements are equal
  int64_t not_finite = 0;  // elements that are infinite or not a number in only one of both; they count nowhere else
  bool same_bits = false;
};
// Both tensors have the same shape; element types may differ, elements are compared as doubles. Infinities and NaNs
// that both have at a place are equal. Throws Error{shape} for different shapes.
Distance distance(const Tensor& a, const Tensor& b);

// A weight of two matched layers, or of one of them.
struct WeightDifference {
  std::string a, b;  // names; empty: this network has none there
  Type type_a, type_b;
  bool comparable = false;  // both are there, with the same shape
  Distance distance;
  bool differs() const { return !comparable || !distance.same_bits || type_a != type_b; }
};

struct AttributeDifference {
  std::string name, a, b;  // values as text; the element "op" stands for the operator itself
};

// Two layers that do the same job.
struct LayerPair {
  int a = -1, b = -1;  // nodes of the two graphs
  std::string name_a, name_b, op;
  Shape shape_a, shape_b;  // of the output
  std::vector<AttributeDifference> attributes;
  bool inputs_differ = false;  // it follows other layers than its partner does
  std::vector<WeightDifference> weights;
  bool renamed() const { return name_a != name_b; }
  bool changed() const { return !attributes.empty() || inputs_differ || shape_a != shape_b; }
};

struct LayerAlone {
  int node = -1;
  std::string name, op;
  Shape shape;
};

struct ModelDifference {
  std::vector<LayerPair> pairs;              // in the order of a
  std::vector<LayerAlone> removed, added;    // only in a, only in b
  std::vector<AttributeDifference> meaning;  // preparation of pictures, inputs, outputs, classes
  bool same_structure() const;               // up to names
  bool same_weights() const;                 // every bit, in matched layers
  bool same_names() const;
  bool same() const { return same_structure() && same_weights() && meaning.empty(); }
};

// Compares what the outputs of the two networks depend on. A layer is a node that computes; its weights are its inputs
// that are parameters or constants. Two matchings are made, and the better is kept: one by names first, then by what
// layers compute and follow; one by what they compute and follow alone, so that numbers in generated names mislead
// nobody and a network whose layers were only renamed is recognised. Better is what agrees in more operators,
// attributes, shapes, weights, inputs and names (see matching.cpp for the points).
ModelDifference difference_of(const Model& a, const Model& b);

// What a matched layer answers in both networks.
struct ActivationDifference {
  int pair = -1;            // index into ModelDifference::pairs
  bool comparable = false;  // the same shape
  Distance distance;
};
struct AnswerDifference {
  std::vector<ActivationDifference> layers;  // in the order of a; those with floating-point outputs
  int first = -1;                            // index into layers: the first further apart than the tolerance; -1: none
  Tensor scores_a, scores_b;                 // the class scores
  bool scores_comparable = false;
  Distance scores;
};

// Runs both networks on their prepared inputs [1,C,H,W] and compares what every matched layer answers. A relative
// distance above `tolerance`, or a value that is finite in one only, is a divergence.
AnswerDifference answer_difference(const Model& a, const Model& b, const ModelDifference& difference,
                                   const Tensor& input_a, const Tensor& input_b, double tolerance, Backend& backend,
                                   const CompileOptions& options = {});

}  // namespace fovea
