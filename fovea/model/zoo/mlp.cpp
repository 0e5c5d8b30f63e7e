// Multi-layer perceptrons on the 784 pixels of a digit: 784 · 300 · 100 · 10 as published, with ReLU where the paper
// has tanh; and 784 · 512 · 10, the size that frameworks are compared with.
//
// Source: LeCun, Bottou, Bengio & Haffner, "Gradient-based learning applied to document recognition", Proc. IEEE 86,
// 1998, Fig. 9 (28×28-300-100-10).
#include "fovea/model/zoo/families.h"

namespace fovea {

namespace {

void two_hidden_layers(NetworkBuilder& b) {
  Value x = b.relu("relu1", b.linear("fc1", b.input(), 300));
  x = b.relu("relu2", b.linear("fc2", x, 100));
  b.output("scores", b.linear("fc3", x, b.classes));
}

void one_hidden_layer(NetworkBuilder& b) {
  const Value x = b.relu("relu1", b.linear("fc1", b.input(), 512));
  b.output("scores", b.linear("fc2", x, b.classes));
}

}  // namespace

std::vector<Architecture> mlps() {
  return {{"mlp",
           "MLP",
           "LeCun, Bottou, Bengio & Haffner, Gradient-based learning applied to document recognition",
           1998,
           3,
           {1, 28, 28},
           10,
           "grey",
           two_hidden_layers},
          {"mlp512",
           "MLP 784-512-10",
           "LeCun, Bottou, Bengio & Haffner, Gradient-based learning applied to document recognition",
           1998,
           2,
           {1, 28, 28},
           10,
           "grey",
           one_hidden_layer}};
}

}  // namespace fovea
