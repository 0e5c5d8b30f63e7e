#include "fovea/formats/onnx_node.h"

#include <array>

namespace fovea {

namespace {

constexpr int kFloat = 1, kInt = 2, kString = 3, kTensor = 4, kFloats = 6, kInts = 7;

// What an attribute holds; files of the first version leave the type out.
int type_of(const onnx::AttributeProto& a) {
  if (a.has_type() && a.type() != 0) return a.type();
  if (a.has_f()) return kFloat;
  if (a.has_i()) return kInt;
  if (a.has_s()) return kString;
  if (a.has_t()) return kTensor;
  if (a.has_g()) return 5;
  if (a.floats_size() > 0) return kFloats;
  if (a.ints_size() > 0) return kInts;
  return 0;
}

}  // namespace

Value OnnxNode::in(size_t i) const {
  require(has(i), ErrorKind::format, "input {} is missing", i);
  return inputs[i];
}

const Tensor& OnnxNode::known(size_t i, std::string_view what) const {
  const Tensor* value = graph.known(in(i));
  require(value != nullptr, ErrorKind::unsupported,
          "{} (input {}) is computed at run time; it must be constant or bound", what, i);
  return *value;
}

std::vector<int64_t> OnnxNode::known_ints(size_t i, std::string_view what) const { return known(i, what).to_ints(); }
std::vector<double> OnnxNode::known_doubles(size_t i, std::string_view what) const {
  return known(i, what).to_doubles();
}

bool OnnxNode::has_attribute(std::string_view name) const {
  for (const auto& attribute : proto.attribute())
    if (attribute.name() == name) return true;
  return false;
}

const onnx::AttributeProto* OnnxNode::find(std::string_view name, int type) {
  asked_.emplace(name);
  for (const auto& attribute : proto.attribute()) {
    if (attribute.name() != name) continue;
    require(attribute.ref_attr_name().empty(), ErrorKind::unsupported, "attribute {} refers to a function's", name);
    const int found = type_of(attribute);
    require(found == type || found == 0, ErrorKind::format, "attribute {} is of kind {}, expected {}", name, found,
            type);
    return &attribute;
  }
  return nullptr;
}

int64_t OnnxNode::integer(std::string_view name, int64_t otherwise) {
  const auto* attribute = find(name, kInt);
  return attribute ? attribute->i() : otherwise;
}

double OnnxNode::real(std::string_view name, double otherwise) {
  const auto* attribute = find(name, kFloat);
  return attribute ? static_cast<double>(attribute->f()) : otherwise;
}

std::string OnnxNode::text(std::string_view name, std::string_view otherwise) {
  const auto* attribute = find(name, kString);
  return attribute ? attribute->s() : std::string(otherwise);
}

Ints OnnxNode::ints(std::string_view name) {
  const auto* attribute = find(name, kInts);
  return attribute ? Ints(attribute->ints().begin(), attribute->ints().end()) : Ints();
}

std::vector<double> OnnxNode::reals(std::string_view name) {
  const auto* attribute = find(name, kFloats);
  return attribute ? std::vector<double>(attribute->floats().begin(), attribute->floats().end())
                   : std::vector<double>();
}

Tensor OnnxNode::tensor(std::string_view name) {
  const auto* attribute = find(name, kTensor);
  require(attribute != nullptr && attribute->has_t(), ErrorKind::format, "attribute {} is missing", name);
  return tensor_from_onnx(attribute->t(), source_);
}

Ints OnnxNode::ints_or_input(std::string_view attribute, size_t i) {
  Ints result = ints(attribute);
  if (result.empty() && has(i)) result = known_ints(i, attribute);
  return result;
}

void OnnxNode::check_attributes() const {
  for (const auto& attribute : proto.attribute())
    if (!attribute.name().starts_with('_'))
      require(asked_.contains(attribute.name()), ErrorKind::unsupported, "unsupported attribute {}", attribute.name());
}

int64_t OnnxNode::axis(int64_t value, int64_t rank, bool end) const {
  require(value >= -rank && (value < rank || (end && value == rank)), ErrorKind::shape, "axis {} is outside of rank {}",
          value, rank);
  return value < 0 ? value + rank : value;
}

const OnnxOperator* find_onnx_operator(std::string_view name) {
  const std::array tables = {onnx_elementwise_operators(), onnx_network_operators(), onnx_pool_operators(),
                             onnx_normalise_operators(),   onnx_reduce_operators(),  onnx_shape_operators(),
                             onnx_resize_operators()};
  for (const auto& table : tables)
    for (const OnnxOperator& entry : table)
      if (entry.name == name) return &entry;
  return nullptr;
}

}  // namespace fovea
