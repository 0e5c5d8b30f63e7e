#include "fovea/formats/onnx_emit.h"

#include <array>

namespace fovea {

namespace {

onnx::AttributeProto& add_attribute(onnx::NodeProto& node, std::string_view name, int type) {
  auto* attribute = node.add_attribute();
  attribute->set_name(std::string(name));
  attribute->set_type(type);
  return *attribute;
}

}  // namespace

OnnxEmitted& OnnxEmitted::integer(std::string_view name, int64_t value) {
  add_attribute(node_, name, 2).set_i(value);
  return *this;
}

OnnxEmitted& OnnxEmitted::real(std::string_view name, double value) {
  add_attribute(node_, name, 1).set_f(static_cast<float>(value));
  return *this;
}

OnnxEmitted& OnnxEmitted::text(std::string_view name, std::string_view value) {
  add_attribute(node_, name, 3).set_s(std::string(value));
  return *this;
}

OnnxEmitted& OnnxEmitted::ints(std::string_view name, const Ints& values) {
  auto& attribute = add_attribute(node_, name, 7);
  for (const int64_t value : values) attribute.add_ints(value);
  return *this;
}

OnnxEmitted& OnnxEmitted::tensor(std::string_view name, const Tensor& value) {
  auto& proto = *add_attribute(node_, name, 4).mutable_t();
  for (const int64_t size : value.shape()) proto.add_dims(size);
  proto.set_data_type(dtype_to_onnx(value.dtype()));
  proto.set_raw_data(std::string(reinterpret_cast<const char*>(value.raw()), value.bytes()));
  return *this;
}

std::string OnnxEmission::in(size_t i) const {
  if (!has(i)) return {};
  const Value value = node.inputs[i];
  return names_[static_cast<size_t>(value.node)][static_cast<size_t>(value.output)];
}

std::vector<std::string> OnnxEmission::all() const {
  std::vector<std::string> result;
  for (size_t i = 0; i < node.inputs.size(); ++i) result.push_back(in(i));
  while (!result.empty() && result.back().empty()) result.pop_back();
  return result;
}

const std::string& OnnxEmission::out(size_t k) const { return names_[static_cast<size_t>(index_)][k]; }

OnnxEmitted OnnxEmission::named(std::string_view op, std::vector<std::string> inputs,
                                std::vector<std::string> outputs) {
  onnx::NodeProto& result = *to_.add_node();
  while (!inputs.empty() && inputs.back().empty()) inputs.pop_back();
  for (std::string& input : inputs) result.add_input(std::move(input));
  for (std::string& output : outputs) result.add_output(std::move(output));
  result.set_op_type(std::string(op));
  result.set_name(result.output(0) == out() ? node.name : result.output(0));
  return result;
}

OnnxEmitted OnnxEmission::final(std::string_view op, std::vector<std::string> inputs, int outputs) {
  std::vector<std::string> names;
  for (int k = 0; k < outputs; ++k) names.push_back(out(static_cast<size_t>(k)));
  return named(op, std::move(inputs), std::move(names));
}

OnnxEmitted OnnxEmission::step(std::string_view op, std::vector<std::string> inputs, int outputs) {
  std::vector<std::string> names;
  for (int k = 0; k < outputs; ++k) names.push_back(fresh(op));
  return named(op, std::move(inputs), std::move(names));
}

std::string OnnxEmission::fresh(std::string_view stem) {
  for (int suffix = 0;; ++suffix) {
    std::string name = fmt::format("{}.{}{}", out(), stem, suffix == 0 ? "" : fmt::format("_{}", suffix));
    if (taken_.insert(name).second) return name;
  }
}

std::string OnnxEmission::constant(const Tensor& value) { return step("Constant", {}).tensor("value", value).output(); }

void OnnxEmission::refuse(std::string_view why) const {
  fail(ErrorKind::unsupported, "{} \"{}\" cannot be written as ONNX: {}", node.op->name, node.name, why);
}

const OnnxEmitter* find_onnx_emitter(std::string_view op) {
  const std::array tables = {onnx_simple_emitters(), onnx_network_emitters(), onnx_shape_emitters()};
  for (const auto& table : tables)
    for (const OnnxEmitter& entry : table)
      if (entry.op == op) return &entry;
  return nullptr;
}

}  // namespace fovea
