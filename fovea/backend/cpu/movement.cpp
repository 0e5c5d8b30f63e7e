// Operators that only move elements. Where memory allows it nothing moves at all: views and places.
#include <algorithm>
#include <cstring>

#include "fovea/backend/cpu/boxes.h"
#include "fovea/backend/cpu/candidates.h"
#include "fovea/backend/cpu/copy.h"
#include "fovea/backend/cpu/layouts.h"
#include "fovea/base/parallel.h"
#include "fovea/ops/concat.h"
#include "fovea/ops/identity.h"
#include "fovea/ops/pad.h"
#include "fovea/ops/split.h"
#include "fovea/ops/transpose.h"

namespace fovea::cpu {

namespace {

// A value as it lies in memory, with its logical axes found again.
struct Memory {
  std::vector<int64_t> sizes, strides;  // physical, in elements
  Format format;

  Memory(const Type& type, const Layout& layout) : sizes(physical_sizes(type, layout)), format(format_of(layout)) {
    strides = Shape(sizes).strides();
  }
  // The physical axis that a logical one varies, in units of unit().
  size_t axis(size_t logical) const {
    if (format != Format::channels_last || logical == 0) return logical;
    return logical == 1 ? sizes.size() - 1 : logical - 1;
  }
  // Elements of a logical axis in one step of its physical axis: 16 for the channels of nChw16c.
  int64_t unit(size_t logical) const { return logical == 1 ? block_of(format) : 1; }
  int64_t outer(size_t physical) const {
    int64_t product = 1;
    for (size_t k = 0; k < physical; ++k) product *= sizes[k];
    return product;
  }
  int64_t inner(size_t physical) const { return sizes[physical] * strides[physical]; }
};

std::vector<Layout> plain_inputs(const Request& request) {
  std::vector<Layout> layouts;
  for (const Value input : request.op_node().inputs)
    layouts.push_back(input ? plain_layout(request.graph.type(input)) : Layout{});
  return layouts;
}

Lowering view_of(const Request& request, const Layout& layout, size_t offset) {
  Lowering lowering;
  lowering.implementation = "view";
  lowering.inputs = plain_inputs(request);
  lowering.inputs[0] = layout;
  lowering.outputs = {layout_like(layout, request.op_node().outputs[0])};
  lowering.views = {{0, 0, offset}};
  lowering.free_if_shared = true;
  lowering.run = [offset, bytes = lowering.outputs[0].bytes](const Buffers& b) {
    if (b.out[0] != b.in[0] + offset) copy_bytes(b.in[0] + offset, b.out[0], bytes);
  };
  return lowering;
}

// A copy in blocks although channels do not begin or end with them; nothing where `moves` is no such copy.
std::optional<Lowering> blocked_move(const Request& request, const std::vector<AxisMove>& moves) {
  const Type &x = request.type(0), &y = request.op_node().outputs[0];
  const Format format = format_of(request.inputs[0]);
  if (block_of(format) == 1 || x.dtype != DType::f32) return std::nullopt;
  Lowering lowering;
  lowering.implementation = "copy";
  lowering.inputs = plain_inputs(request);
  lowering.inputs[0] = layout_in(format, x);
  lowering.outputs = {layout_in(format, y)};
  const auto move = BoxMove::between(x, lowering.inputs[0], y, lowering.outputs[0], moves);
  if (!move || lowering.inputs[0].is_plain()) return std::nullopt;
  lowering.run = [move = *move](const Buffers& b) { move(b.in[0], b.out[0]); };
  return lowering;
}

bool element_fits(DType dtype) { return size_of(dtype) <= 8; }

}  // namespace

std::string lower_view(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  const bool same = request.type(0) == request.op_node().outputs[0];
  const Layout layout = same ? request.inputs[0] : plain_layout(request.type(0));
  if (format_of(layout) == Format::other) return fmt::format("the input lies in {}", layout.name);
  choices.push_back(view_of(request, layout, 0));
  return "";
}

std::string lower_gate(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  if (format_of(request.inputs[0]) == Format::other) return fmt::format("the input lies in {}", request.inputs[0].name);
  Lowering lowering = view_of(request, request.inputs[0], 0);  // a view only where nobody reads a closed gate's zeros
  lowering.run = [bytes = lowering.outputs[0].bytes](const Buffers& b) {
    if (!*reinterpret_cast<const bool*>(b.in[1])) std::memset(b.out[0], 0, bytes);
    else if (b.out[0] != b.in[0]) copy_bytes(b.in[0], b.out[0], bytes);
  };
  choices.push_back(std::move(lowering));
  return "";
}

std::string lower_concat(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  const Node& node = request.op_node();
  const Type& y = node.outputs[0];
  const auto axis =
      static_cast<size_t>(normal_axis(node.attributes.as<ConcatAttributes>().axis, y.shape.rank(), "concat"));
  Format format = common_format(request);
  for (size_t i = 0; i < node.inputs.size(); ++i)
    if (axis == 1 && request.type(i).shape[1] % block_of(format) != 0) format = Format::plain;
  // Values of one position are called plain in any format; then there may be blocks in the one and not in the other.
  Lowering lowering;
  lowering.outputs = {layout_in(format, y)};
  const Memory to(y, lowering.outputs[0]);
  const size_t at = to.axis(axis), element = size_of(y.dtype);
  const int64_t outer = to.outer(at);
  struct Part {
    BoxCopy copy;
    size_t offset;
  };
  std::vector<Part> parts;
  size_t offset = 0;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    lowering.inputs.push_back(format_of(lowering.outputs[0]) == Format::plain ? plain_layout(request.type(i))
                                                                              : layout_in(format, request.type(i)));
    if (format_of(lowering.inputs[i]) != format_of(lowering.outputs[0])) return "formats differ";
    const Memory from(request.type(i), lowering.inputs[i]);
    const int64_t run = request.type(i).shape.count() == 0 ? 0 : from.inner(at);
    parts.push_back({BoxCopy({{outer, run, to.inner(at)}, {run, 1, 1}}, element), offset});
    if (outer == 1 && run > 0) lowering.places.push_back({static_cast<int>(i), 0, offset});
    offset += static_cast<size_t>(run) * element;
  }
  lowering.implementation = lowering.places.empty() ? "copy" : "in place";
  lowering.free_if_shared = lowering.places.size() == node.inputs.size();
  lowering.run = [parts](const Buffers& b) {
    for (size_t i = 0; i < parts.size(); ++i)
      if (b.in[i] != b.out[0] + parts[i].offset) parts[i].copy(b.in[i], b.out[0] + parts[i].offset);
  };
  choices.push_back(std::move(lowering));
  return "";
}

std::string lower_split(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  const Node& node = request.op_node();
  const Type& x = request.type(0);
  const auto axis =
      static_cast<size_t>(normal_axis(node.attributes.as<SplitAttributes>().axis, x.shape.rank(), "split"));
  Format format = format_of(request.inputs[0]);
  if (format == Format::other) format = Format::plain;
  for (const Type& piece : node.outputs)
    if (axis == 1 && (piece.shape[1] % block_of(format) != 0 || format_of(layout_in(format, piece)) != format))
      format = Format::plain;
  Lowering lowering;
  lowering.inputs = {layout_in(format, x)};
  const Memory from(x, lowering.inputs[0]);
  const size_t at = from.axis(axis), element = size_of(x.dtype);
  const int64_t outer = from.outer(at);
  struct Part {
    BoxCopy copy;
    size_t offset;
  };
  std::vector<Part> parts;
  size_t offset = 0;
  for (size_t k = 0; k < node.outputs.size(); ++k) {
    lowering.outputs.push_back(layout_in(format, node.outputs[k]));
    const Memory to(node.outputs[k], lowering.outputs[k]);
    const int64_t run = node.outputs[k].shape.count() == 0 ? 0 : to.inner(at);
    parts.push_back({BoxCopy({{outer, from.inner(at), run}, {run, 1, 1}}, element), offset});
    if (outer == 1) lowering.views.push_back({static_cast<int>(k), 0, offset});
    offset += static_cast<size_t>(run) * element;
  }
  lowering.implementation = lowering.views.empty() ? "copy" : "view";
  lowering.free_if_shared = !lowering.views.empty();
  lowering.run = [parts](const Buffers& b) {
    for (size_t k = 0; k < parts.size(); ++k)
      if (b.out[k] && b.out[k] != b.in[0] + parts[k].offset) parts[k].copy(b.in[0] + parts[k].offset, b.out[k]);
  };
  choices.push_back(std::move(lowering));
  return "";
}

namespace {

struct Cut {
  int64_t start, step, count;
};

// What the slice takes of each axis; the shape inference has checked it all.
std::vector<Cut> cuts_of(const Request& request) {
  const auto ints = [&](size_t i) {
    const auto& inputs = request.op_node().inputs;
    return i < inputs.size() && inputs[i] ? request.graph.known(inputs[i])->to_ints() : std::vector<int64_t>{};
  };
  const std::vector<int64_t> starts = ints(1), axes = ints(3), steps = ints(4);
  const Shape &x = request.type(0).shape, &y = request.op_node().outputs[0].shape;
  std::vector<Cut> cuts;
  for (size_t k = 0; k < x.size(); ++k) cuts.push_back({0, 1, y[k]});
  for (size_t i = 0; i < starts.size(); ++i) {
    const auto axis =
        static_cast<size_t>(axes.empty() ? static_cast<int64_t>(i) : normal_axis(axes[i], x.rank(), "slice"));
    const int64_t step = steps.empty() ? 1 : steps[i], size = x[axis];
    const int64_t start = starts[i] < 0 ? starts[i] + size : starts[i];
    cuts[axis].step = step;
    cuts[axis].start = step > 0 ? std::clamp<int64_t>(start, 0, size) : std::clamp<int64_t>(start, -1, size - 1);
    if (cuts[axis].count <= 1) cuts[axis].step = 1;
  }
  return cuts;
}

}  // namespace

std::string lower_slice(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  const Type &x = request.type(0), &y = request.op_node().outputs[0];
  if (y.shape.count() == 0 || x.shape.empty()) return "nothing is left";
  const std::vector<Cut> cuts = cuts_of(request);
  Format format = format_of(request.inputs[0]);
  if (format == Format::other) format = Format::plain;
  const int64_t block = block_of(format);
  if (block > 1 && (cuts[1].step != 1 || cuts[1].start % block != 0 ||
                    (cuts[1].count != x.shape[1] && cuts[1].count % block != 0))) {
    std::vector<AxisMove> moves;
    for (const Cut& cut : cuts) moves.push_back({cut.start, cut.step, 0, 1, cut.count});
    if (auto lowering = blocked_move(request, moves)) {
      choices.push_back(std::move(*lowering));
      return "";
    }
    format = Format::plain;
  }
  const Layout x_layout = layout_in(format, x);
  Layout y_layout = layout_in(format, y);
  if (format_of(x_layout) != Format::plain && format_of(y_layout) == Format::plain) {
    // One position is left: with whole blocks it is plain all the same.
    if (is_padded(x, x_layout)) return "one position of padded blocks";
  }
  const Memory from(x, x_layout);
  const auto strides = from.strides;
  std::vector<CopyAxis> axes;
  for (const int64_t size : from.sizes) axes.push_back({size, 0, 0});
  int64_t start = 0;
  for (size_t k = 0; k < axes.size(); ++k) axes[k].from = strides[k];
  for (size_t k = 0; k < cuts.size(); ++k) {
    const size_t at = from.axis(k);
    const int64_t unit = from.unit(k);
    start += cuts[k].start / unit * strides[at];
    axes[at].size = (cuts[k].count + unit - 1) / unit;
    axes[at].from = cuts[k].step * strides[at];
  }
  int64_t step = 1;
  for (size_t k = axes.size(); k-- > 0; step *= axes[k].size) axes[k].to = step;
  const BoxCopy copy(axes, size_of(x.dtype));
  const auto offset = static_cast<size_t>(start) * size_of(x.dtype);
  Lowering lowering;
  lowering.implementation = copy.dense() ? "view" : "copy";
  lowering.inputs = plain_inputs(request);
  lowering.inputs[0] = x_layout;
  lowering.outputs = {y_layout};
  if (copy.dense()) lowering.views = {{0, 0, offset}};
  lowering.free_if_shared = copy.dense();
  lowering.run = [copy, offset](const Buffers& b) {
    if (b.out[0] != b.in[0] + offset) copy(b.in[0] + offset, b.out[0]);
  };
  choices.push_back(std::move(lowering));
  return "";
}

std::string lower_transpose(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  const Type &x = request.type(0), &y = request.op_node().outputs[0];
  const Ints& permutation = request.op_node().attributes.as<TransposeAttributes>().permutation;
  if (!element_fits(x.dtype)) return "elements of more than 8 bytes";
  const auto from = x.shape.strides(), to = y.shape.strides();
  std::vector<CopyAxis> axes;
  for (size_t k = 0; k < y.shape.size(); ++k) {
    const size_t source = permutation.empty()
                              ? y.shape.size() - 1 - k
                              : static_cast<size_t>(normal_axis(permutation[k], x.shape.rank(), "transpose"));
    axes.push_back({y.shape[k], from[source], to[k]});
  }
  const BoxCopy copy(axes, size_of(x.dtype));
  if (copy.dense()) {
    choices.push_back(view_of(request, plain_layout(x), 0));
    return "";
  }
  Lowering lowering;
  lowering.implementation = "copy";
  lowering.inputs = {plain_layout(x)};
  lowering.outputs = {plain_layout(y)};
  lowering.run = [copy](const Buffers& b) { copy(b.in[0], b.out[0]); };
  choices.push_back(std::move(lowering));
  return "";
}

std::string lower_expand(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  const Type &x = request.type(0), &y = request.op_node().outputs[0];
  const auto from = x.shape.strides(), to = y.shape.strides();
  const size_t added = y.shape.size() - x.shape.size();
  std::vector<CopyAxis> axes;
  for (size_t k = 0; k < y.shape.size(); ++k) {
    const bool repeated = k < added || x.shape[k - added] == 1;
    axes.push_back({y.shape[k], repeated ? 0 : from[k - added], to[k]});
  }
  const BoxCopy copy(axes, size_of(x.dtype));
  Lowering lowering;
  lowering.implementation = "copy";
  lowering.inputs = plain_inputs(request);
  lowering.outputs = {plain_layout(y)};
  lowering.run = [copy](const Buffers& b) { copy(b.in[0], b.out[0]); };
  choices.push_back(std::move(lowering));
  return "";
}

std::string lower_pad(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  const Node& node = request.op_node();
  const Type &x = request.type(0), &y = node.outputs[0];
  if (node.attributes.as<PadAttributes>().mode != "constant") return "only constant padding";
  if (x.shape.empty() || y.shape.count() == 0) return "the tensor has no elements";
  const auto given = [&](size_t i) { return i < node.inputs.size() && node.inputs[i]; };
  const std::vector<int64_t> pads = request.graph.known(node.inputs[1])->to_ints();
  const std::vector<int64_t> named = given(3) ? request.graph.known(node.inputs[3])->to_ints() : std::vector<int64_t>{};
  std::vector<int64_t> begin(x.shape.size(), 0);
  for (size_t i = 0; i < pads.size() / 2; ++i)
    begin[static_cast<size_t>(named.empty() ? static_cast<int64_t>(i) : normal_axis(named[i], x.shape.rank(), "pad"))] =
        pads[i];
  Format format = format_of(request.inputs[0]);
  if (x == y && format != Format::other && std::count(begin.begin(), begin.end(), 0) == x.shape.rank()) {
    choices.push_back(view_of(request, request.inputs[0], 0));
    return "";
  }
  // Blocks stay where the channels are left alone and fill them.
  const int64_t block = block_of(format);
  if (format == Format::other || (block > 1 && (x.shape[1] != y.shape[1] || x.shape[1] % block != 0))) {
    std::vector<AxisMove> moves;
    for (size_t k = 0; k < x.shape.size(); ++k) {
      const int64_t first = std::max<int64_t>(0, -begin[k]), last = std::min(x.shape[k], y.shape[k] - begin[k]);
      moves.push_back({first, 1, first + begin[k], 1, std::max<int64_t>(0, last - first)});
    }
    if (auto lowering = given(2) ? std::nullopt : blocked_move(request, moves)) {
      choices.push_back(std::move(*lowering));
      return "";
    }
    format = Format::plain;
  }
  Lowering lowering;
  lowering.inputs = plain_inputs(request);
  lowering.inputs[0] = layout_in(format, x);
  lowering.outputs = {layout_in(format, y)};
  if (format_of(lowering.inputs[0]) != format_of(lowering.outputs[0])) {
    format = Format::plain;
    lowering.inputs[0] = plain_layout(x);
    lowering.outputs = {plain_layout(y)};
  }
  const Memory from(x, lowering.inputs[0]), to(y, lowering.outputs[0]);
  std::vector<CopyAxis> axes;
  for (size_t k = 0; k < from.sizes.size(); ++k) axes.push_back({from.sizes[k], from.strides[k], to.strides[k]});
  int64_t from_start = 0, to_start = 0;
  bool covers = true;
  for (size_t k = 0; k < x.shape.size(); ++k) {
    if (k == 1 && block_of(format) > 1) continue;
    const size_t at = from.axis(k);
    const int64_t first = std::max<int64_t>(0, -begin[k]), last = std::min(x.shape[k], y.shape[k] - begin[k]);
    axes[at].size = std::max<int64_t>(0, last - first);
    from_start += first * from.strides[at];
    to_start += (first + begin[k]) * to.strides[at];
    covers = covers && axes[at].size == y.shape[k];
  }
  const size_t element = size_of(x.dtype);
  const BoxCopy copy(axes, element);
  const BoxCopy fill({{Shape(to.sizes).count(), 0, 1}}, element);
  lowering.implementation = "copy";
  lowering.run = [=, valued = given(2), from_bytes = static_cast<size_t>(from_start) * element,
                  to_bytes = static_cast<size_t>(to_start) * element](const Buffers& b) {
    static constexpr std::byte kZero[8] = {};
    if (!covers) fill(valued ? b.in[2] : kZero, b.out[0]);
    copy(b.in[0] + from_bytes, b.out[0] + to_bytes);
  };
  choices.push_back(std::move(lowering));
  return "";
}

}  // namespace fovea::cpu
