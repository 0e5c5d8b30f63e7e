// Network in Network: each convolution is followed by two 1×1 convolutions, a small perceptron at every place, and the
// classes' own maps are averaged instead of a fully connected layer. Caffe's names; pooling rounds up.
//
//   nin        conv 11×11/4, 96 + 96 + 96 · max 3/2 · conv 5×5 pad 2, 256 + 256 + 256 · max 3/2 · conv 3×3 pad 1,
//              384 + 384 + 384 · max 3/2 · dropout · conv 3×3 pad 1, 1024 + 1024 + 1000 · average · softmax
//   nin_cifar  conv 5×5 pad 2, 192 + 160 + 96 · max 3/2 · dropout · conv 5×5 pad 2, 192 + 192 + 192 · average 3/2 ·
//              dropout · conv 3×3 pad 1, 192 + 192 + 10 · average · softmax
//
// Source: Lin, Chen & Yan, "Network in network", ICLR 2014 (arXiv 1312.4400), and the Caffe files of its authors.
#include "fovea/model/zoo/families.h"
#include "fovea/ops/flatten.h"

namespace fovea {

namespace {

// A convolution and the ReLU after it.
struct Layer {
  std::string_view conv, relu;
  int64_t out, kernel = 1, stride = 1, pad = 0;
};

Value append(NetworkBuilder& b, Value x, const std::vector<Layer>& layers) {
  for (const Layer& layer : layers) {
    x = b.conv(std::string(layer.conv), x, layer.out, layer.kernel, {.stride = layer.stride, .pad = layer.pad});
    x = b.relu(std::string(layer.relu), x);
  }
  return x;
}

// The average of each class's map, then softmax.
void score(NetworkBuilder& b, const std::string& pool, Value x) {
  x = flatten(b.graph, b.global_average_pool(pool, x));
  b.output("scores", b.softmax("prob", x));
}

void imagenet(NetworkBuilder& b) {
  const MaxPoolAttributes window{.kernel = 3, .stride = 2, .ceil = true};
  Value x = append(b, b.input(), {{"conv1", "relu0", 96, 11, 4}, {"cccp1", "relu1", 96}, {"cccp2", "relu2", 96}});
  x = b.max_pool("pool1", x, window);
  x = append(b, x, {{"conv2", "relu3", 256, 5, 1, 2}, {"cccp3", "relu5", 256}, {"cccp4", "relu6", 256}});
  x = b.max_pool("pool2", x, window);
  x = append(b, x, {{"conv3", "relu7", 384, 3, 1, 1}, {"cccp5", "relu8", 384}, {"cccp6", "relu9", 384}});
  x = b.max_pool("pool3", x, window);
  x = b.dropout("drop", x);
  x = append(
      b, x,
      {{"conv4-1024", "relu10", 1024, 3, 1, 1}, {"cccp7-1024", "relu11", 1024}, {"cccp8-1024", "relu12", b.classes}});
  score(b, "pool4", x);
}

void cifar(NetworkBuilder& b) {
  Value x = append(b, b.input(),
                   {{"conv1", "relu1", 192, 5, 1, 2}, {"cccp1", "relu_cccp1", 160}, {"cccp2", "relu_cccp2", 96}});
  x = b.max_pool("pool1", x, {.kernel = 3, .stride = 2, .ceil = true});
  x = b.dropout("drop3", x);
  x = append(b, x, {{"conv2", "relu2", 192, 5, 1, 2}, {"cccp3", "relu_cccp3", 192}, {"cccp4", "relu_cccp4", 192}});
  x = b.average_pool("pool2", x, {.kernel = 3, .stride = 2, .ceil = true});
  x = b.dropout("drop6", x);
  x = append(b, x,
             {{"conv3", "relu3", 192, 3, 1, 1}, {"cccp5", "relu_cccp5", 192}, {"cccp6", "relu_cccp6", b.classes}});
  score(b, "pool3", x);
}

}  // namespace

std::vector<Architecture> nins() {
  const std::string paper = "Lin, Chen & Yan, Network in network";
  return {{"nin", "Network in Network", paper, 2013, 12, {3, 224, 224}, 1000, "caffe", imagenet},
          {"nin_cifar", "Network in Network", paper, 2013, 9, {3, 32, 32}, 10, "unit", cifar}};
}

}  // namespace fovea
