// LeNet: the first convolutional networks that read digits.
//
//   lenet1       28×28 · H1 conv 5×5, 4 (24×24) · H2 sub-sampling 2/2 · H3 conv 5×5, 12 maps of 1 or 2 maps of H2 each
//                (8×8) · H4 sub-sampling 2/2 (4×4) · 10                                     2,578 parameters
//   lenet5_1998  32×32 · C1 conv 5×5, 6 (28×28) · S2 sub-sampling 2/2 (14×14) · C3 conv 5×5, 16 maps, each of 3, 4 or 6
//                maps of S2 (10×10) · S4 sub-sampling 2/2 (5×5) · C5 conv 5×5, 120 (1×1) · F6 84 · RBF 10
//                parameters: C1 156, S2 12, C3 1,516, S4 32, C5 48,120, F6 10,164: together  60,000
//   lenet5       28×28 · conv 5×5 pad 2, 6 · ReLU · max 2/2 · conv 5×5, 16 · ReLU · max 2/2 · 120 · 84 · 10: as it is
//                usually taught now, all maps connected                                     61,706 parameters
//
// In the published networks every layer up to the last but one ends in f(a) = 1.7159 tanh(2a/3). Sub-sampling is
// f(coefficient · average of a 2×2 window + bias), one coefficient and one bias a map (the papers multiply the sum:
// their coefficient is a quarter of this one). The output of LeNet-5 is y_i = Σ_j (x_j − w_ij)², the distance of F6
// from a picture of the digit i in 7×12 pixels of −1 and +1; the scores are −y. The paper shows these pictures, it does
// not list them: those below are drawn anew in their manner. The output units of lenet1 are not squashed here.
//
// Source: LeCun et al., "Handwritten digit recognition with a back-propagation network", NIPS 1989; LeCun, Bottou,
// Bengio & Haffner, "Gradient-based learning applied to document recognition", Proc. IEEE 86, 1998, section II.B,
// Table I and Fig. 3.
#include <algorithm>
#include <set>

#include "fovea/model/zoo/families.h"
#include "fovea/ops/add.h"
#include "fovea/ops/gather.h"
#include "fovea/ops/input.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/neg.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/scale.h"
#include "fovea/ops/sub.h"
#include "fovea/ops/tanh.h"
#include "fovea/ops/unsqueeze.h"

namespace fovea {

namespace {

// For each map of a partially connected layer, the maps that it sees; sorted by their number.
using Connections = std::vector<std::vector<int64_t>>;

// 20 of 48 pairs, as many as the paper's table has: with them the network has its 2,578 parameters. Their arrangement
// is ours: four maps of H3 see one map of H2 each, eight see two, and the halves of H3 see the halves of H2.
const Connections kH3 = {{0}, {1}, {2}, {3}, {0, 1}, {0, 1}, {0, 1}, {0, 1}, {2, 3}, {2, 3}, {2, 3}, {2, 3}};

// 60 of 96: Table I of the paper.
const Connections kC3 = {{0, 1, 2},    {1, 2, 3},    {2, 3, 4},    {3, 4, 5},         {0, 4, 5},    {0, 1, 5},
                         {0, 1, 2, 3}, {1, 2, 3, 4}, {2, 3, 4, 5}, {0, 3, 4, 5},      {0, 1, 4, 5}, {0, 1, 2, 5},
                         {0, 1, 3, 4}, {1, 2, 4, 5}, {0, 2, 3, 5}, {0, 1, 2, 3, 4, 5}};

constexpr int64_t kCodeRows = 12, kCodeColumns = 7;
// The ten codes side by side.
constexpr std::string_view kCodes[kCodeRows] = {
    ".#####. ...##.. .#####. .#####. .....#. ####### ..####. ####### .#####. .#####.",  //
    "##...## .####.. ##...## ##...## ....##. #...... .##.... #.....# ##...## ##...##",  //
    "#.....# ...##.. ......# ......# ...#.#. #...... ##..... .....## #.....# #.....#",  //
    "#.....# ...##.. ......# .....## ..#..#. ######. #...... .....#. ##...## #.....#",  //
    "#.....# ...##.. .....## ..####. .#...#. ##...## ######. ....##. .#####. ##...##",  //
    "#.....# ...##.. ...###. .....## #....#. ......# ##...## ....#.. ##...## .######",  //
    "#.....# ...##.. .###... ......# ####### ......# #.....# ...##.. #.....# ......#",  //
    "#.....# ...##.. ##..... ......# .....#. ......# #.....# ...#... #.....# .....##",  //
    "##...## ...##.. #...... ##...## .....#. ##...## ##...## ..##... ##...## ....##.",  //
    ".#####. .###### ####### .#####. .....#. .#####. .#####. ..#.... .#####. .####..",  //
    "....... ....... ....... ....... ....... ....... ....... ....... ....... .......",  //
    "....... ....... ....... ....... ....... ....... ....... ....... ....... .......",  //
};

Value squash(NetworkBuilder& b, const std::string& name, Value x) {
  return b.named(name + ".squash", scale(b.graph, tanh(b.graph, scale(b.graph, x, 2.0 / 3)), 1.7159));
}

Value sub_sampling(NetworkBuilder& b, const std::string& name, Value x) {
  const Shape per_map{b.channels(x), 1, 1};
  x = b.average_pool(name + ".average", x, {.kernel = 2, .stride = 2});
  x = mul(b.graph, x, b.parameter(name + ".weight", per_map));
  x = b.named(name, add(b.graph, x, b.parameter(name + ".bias", per_map)));
  return squash(b, name, x);
}

// A convolution in which each map sees only the maps that the table gives it: one grouped convolution over copied maps
// for each number of maps seen. Weights "<name>.<number seen>.weight" [maps, number seen, K, K].
Value partial_conv(NetworkBuilder& b, const std::string& name, Value x, const Connections& table, int64_t kernel) {
  std::set<size_t> sizes;
  for (const auto& seen : table) sizes.insert(seen.size());
  std::vector<Value> parts;
  for (const size_t size : sizes) {
    std::vector<int64_t> maps;
    for (const auto& seen : table)
      if (seen.size() == size) maps.insert(maps.end(), seen.begin(), seen.end());
    const int64_t out = static_cast<int64_t>(maps.size() / size);
    const Value copied = gather(b.graph, x, ints(b.graph, maps), 1);
    parts.push_back(b.conv(fmt::format("{}.{}", name, size), copied, out, kernel, {.groups = out}));
  }
  return squash(b, name, b.concat(name, std::move(parts)));
}

// x [N,84] → the squared distances from the ten codes, [N,10].
Value distances(NetworkBuilder& b, Value x) {
  const Shape shape{10, kCodeRows * kCodeColumns};
  Tensor codes(DType::f32, shape);
  const auto values = codes.data<float>();
  size_t k = 0;
  for (size_t digit = 0; digit < 10; ++digit)
    for (const std::string_view row : kCodes)
      for (const char pixel : row.substr(digit * (kCodeColumns + 1), kCodeColumns))
        values[k++] = pixel == '#' ? 1.0f : -1.0f;
  const Value difference = sub(b.graph, unsqueeze(b.graph, x, {1}), constant(b.graph, std::move(codes), "rbf.codes"));
  return b.named("rbf",
                 reduce(b.graph, mul(b.graph, difference, difference), {.kind = "sum", .axes = {2}, .keep = false}));
}

void first(NetworkBuilder& b) {
  Value x = squash(b, "h1", b.conv("h1", b.input(), 4, 5));
  x = sub_sampling(b, "h2", x);
  x = partial_conv(b, "h3", x, kH3, 5);
  x = sub_sampling(b, "h4", x);
  b.output("scores", b.linear("output", x, b.classes));
}

void published(NetworkBuilder& b) {
  require(b.classes == 10, ErrorKind::usage,
          "lenet5_1998 compares with pictures of the 10 digits, {} classes were asked"
          " for; lenet5 takes any number",
          b.classes);
  Value x = squash(b, "c1", b.conv("c1", b.input(), 6, 5));
  x = sub_sampling(b, "s2", x);
  x = partial_conv(b, "c3", x, kC3, 5);
  x = sub_sampling(b, "s4", x);
  x = squash(b, "c5", b.conv("c5", x, 120, 5));
  x = squash(b, "f6", b.linear("f6", x, kCodeRows * kCodeColumns));
  b.output("scores", b.named("output", neg(b.graph, distances(b, x))));
}

void modern(NetworkBuilder& b) {
  Value x = b.relu("relu1", b.conv("conv1", b.input(), 6, 5, {.pad = 2}));
  x = b.max_pool("pool1", x, {.kernel = 2, .stride = 2});
  x = b.relu("relu2", b.conv("conv2", x, 16, 5));
  x = b.max_pool("pool2", x, {.kernel = 2, .stride = 2});
  x = b.relu("relu3", b.linear("fc1", x, 120));
  x = b.relu("relu4", b.linear("fc2", x, 84));
  b.output("scores", b.linear("fc3", x, b.classes));
}

}  // namespace

std::vector<Architecture> lenets() {
  const std::string paper = "LeCun, Bottou, Bengio & Haffner, Gradient-based learning applied to document recognition";
  return {{"lenet1",
           "LeNet",
           "LeCun et al., Handwritten digit recognition with a back-propagation network",
           1989,
           5,
           {1, 28, 28},
           10,
           "grey",
           first},
          {"lenet5_1998", "LeNet", paper, 1998, 7, {1, 32, 32}, 10, "grey", published},
          {"lenet5", "LeNet", paper, 1998, 5, {1, 28, 28}, 10, "grey", modern}};
}

}  // namespace fovea
