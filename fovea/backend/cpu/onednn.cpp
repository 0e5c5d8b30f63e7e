#include "fovea/backend/cpu/onednn.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <numeric>

namespace fovea::onednn {

const dnnl::engine& engine() {
  static const dnnl::engine the_engine(dnnl::engine::kind::cpu, 0);
  return the_engine;
}

const dnnl::stream& stream() {
  static const dnnl::stream the_stream(engine());
  return the_stream;
}

std::string version() {
  const dnnl_version_t* v = dnnl_version();
  return fmt::format("oneDNN {}.{}.{} {}", v->major, v->minor, v->patch, v->hash);
}

std::string instruction_set() {
  const auto isa = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  switch (isa) {
    case 0x1: return "sse41";
    case 0x3: return "avx";
    case 0x7: return "avx2";
    case 0x27: return "avx512_core";
    case 0x67: return "avx512_core_vnni";
    case 0xe7: return "avx512_core_bf16";
    case 0x3e7: return "avx512_core_amx";
    case 0x407: return "avx2_vnni";
    default: return fmt::format("isa {:#x}", isa);
  }
}

int64_t vector_floats() {
  // Every AVX-512 instruction set has the bits of avx512_core.
  return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & 0x27) == 0x27 ? 16 : 8;
}

bool has_bf16() { return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & 0xe7) == 0xe7; }
bool has_amx() { return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & 0x3e7) == 0x3e7; }

namespace {
dnnl::memory::data_type type_of(Storage storage) {
  return storage == Storage::bf16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
}
}  // namespace

Desc plain_desc(const Dims& sizes, Storage storage) {
  const Dims dims = sizes.empty() ? Dims{1} : sizes;
  Dims strides(dims.size(), 1);
  for (size_t k = dims.size() - 1; k-- > 0;) strides[k] = strides[k + 1] * std::max<int64_t>(dims[k + 1], 1);
  return Desc(dims, type_of(storage), strides);
}

Desc strided_desc(const Dims& sizes, const Dims& strides, Storage storage) {
  return Desc(sizes, type_of(storage), strides);
}

Desc any_desc(const Dims& sizes, Storage storage) {
  return Desc(sizes, type_of(storage), dnnl::memory::format_tag::any);
}

Desc desc_in(cpu::Format format, const Dims& sizes, Storage storage) {
  using Tag = dnnl::memory::format_tag;
  static constexpr Tag kLast[] = {Tag::acb, Tag::acdb, Tag::acdeb};
  static constexpr Tag kBlocked8[] = {Tag::aBc8b, Tag::aBcd8b, Tag::aBcde8b};
  static constexpr Tag kBlocked16[] = {Tag::aBc16b, Tag::aBcd16b, Tag::aBcde16b};
  if (format == cpu::Format::plain || sizes.size() < 3 || sizes.size() > 5) return plain_desc(sizes, storage);
  const Tag* tags = format == cpu::Format::blocked16 ? kBlocked16 : format == cpu::Format::blocked8 ? kBlocked8 : kLast;
  return Desc(sizes, type_of(storage), tags[sizes.size() - 3]);
}

Desc blocked_weights_desc(const Dims& sizes) {
  using Tag = dnnl::memory::format_tag;
  const Tag tag = vector_floats() == 16 ? Tag::OIhw16i16o : Tag::OIhw8i8o;
  return Desc(sizes, dnnl::memory::data_type::f32, tag);
}

Desc desc_of(const Type& type, const Layout& layout) {
  if (layout.details) return *static_cast<const Desc*>(layout.details.get());
  return desc_in(cpu::format_of(layout), Dims(type.shape.begin(), type.shape.end()));
}

#if DNNL_VERSION_MAJOR < 3
namespace {

std::string name_of(const Desc& desc) {
  const dnnl_memory_desc_t& md = desc.data;
  if (md.format_kind != dnnl_blocked) {
    // Opaque: named by its bytes.
    std::string bytes(reinterpret_cast<const char*>(&md), sizeof(md));
    return fmt::format("{}:{:016x}", md.format_kind == dnnl_format_kind_wino ? "wino" : "opaque",
                       std::hash<std::string>()(bytes));
  }
  const auto& blocking = md.format_desc.blocking;
  std::vector<int> order(static_cast<size_t>(md.ndims));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return blocking.strides[a] > blocking.strides[b]; });
  std::string name;
  for (const int d : order) {
    const bool blocked = std::count(blocking.inner_idxs, blocking.inner_idxs + blocking.inner_nblks, d) > 0;
    name += static_cast<char>((blocked ? 'A' : 'a') + d);
  }
  for (int i = 0; i < blocking.inner_nblks; ++i)
    name += fmt::format("{}{}", blocking.inner_blks[i], static_cast<char>('a' + blocking.inner_idxs[i]));
  return name;
}

}  // namespace
#else
namespace {

std::string name_of(const Desc& desc) {
  if (desc.get_format_kind() != dnnl::memory::format_kind::blocked) {
    // Opaque: the number of the first one equal to it (oneDNN shows its bytes since 3.3 only).
    static std::mutex mutex;
    static std::vector<Desc> seen;
    const std::lock_guard lock(mutex);
    auto found = std::find(seen.begin(), seen.end(), desc);
    if (found == seen.end()) found = seen.insert(seen.end(), desc);
    return fmt::format("opaque:{}", found - seen.begin());
  }
  const Dims strides = desc.get_strides(), blocks = desc.get_inner_blks(), block_axes = desc.get_inner_idxs();
  std::vector<size_t> order(strides.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return strides[a] > strides[b]; });
  std::string name;
  for (const size_t d : order) {
    const bool blocked = std::count(block_axes.begin(), block_axes.end(), static_cast<int64_t>(d)) > 0;
    name += static_cast<char>((blocked ? 'A' : 'a') + static_cast<int>(d));
  }
  for (size_t i = 0; i < blocks.size(); ++i)
    name += fmt::format("{}{}", blocks[i], static_cast<char>('a' + block_axes[i]));
  return name;
}

}  // namespace
#endif

bool is_blocked(const Desc& desc) {
#if DNNL_VERSION_MAJOR < 3
  return desc.data.format_kind == dnnl_blocked && desc.data.extra.flags == dnnl_memory_extra_flag_none;
#else
  return desc.get_format_kind() == dnnl::memory::format_kind::blocked;
#endif
}

std::vector<std::vector<int64_t>> axis_offsets(const Desc& desc) {
#if DNNL_VERSION_MAJOR < 3
  const auto& blocking = desc.data.format_desc.blocking;
  const Dims strides(blocking.strides, blocking.strides + desc.data.ndims);
  const Dims blocks(blocking.inner_blks, blocking.inner_blks + blocking.inner_nblks);
  const Dims block_axes(blocking.inner_idxs, blocking.inner_idxs + blocking.inner_nblks);
#else
  const Dims strides = desc.get_strides(), blocks = desc.get_inner_blks(), block_axes = desc.get_inner_idxs();
#endif
  const Dims sizes = sizes_of(desc);
  std::vector<std::vector<int64_t>> result(sizes.size());
  for (size_t axis = 0; axis < sizes.size(); ++axis)
    for (int64_t position = 0; position < sizes[axis]; ++position) {
      // Innermost blocks first: what remains of the position counts whole blocks.
      int64_t rest = position, step = 1, offset = 0;
      for (size_t b = blocks.size(); b-- > 0; step *= blocks[b]) {
        if (block_axes[b] != static_cast<int64_t>(axis)) continue;
        offset += rest % blocks[b] * step;
        rest /= blocks[b];
      }
      result[axis].push_back(offset + rest * strides[axis]);
    }
  return result;
}

Dims sizes_of(const Desc& desc) {
#if DNNL_VERSION_MAJOR < 3
  return desc.dims();
#else
  return desc.get_dims();
#endif
}

Storage storage_of(const Desc& desc) {
#if DNNL_VERSION_MAJOR < 3
  const auto type = desc.data_type();
#else
  const auto type = desc.get_data_type();
#endif
  return type == dnnl::memory::data_type::bf16 ? Storage::bf16 : Storage::f32;
}

Layout layout_of(const Desc& desc) {
  if (desc == plain_desc(sizes_of(desc))) return {"plain", desc.get_size(), nullptr};
  const bool bf16 = storage_of(desc) == Storage::bf16;
  return {name_of(desc) + (bf16 ? " bf16" : ""), desc.get_size(), std::make_shared<const Desc>(desc)};
}

dnnl::primitive_attr attributes() {
  dnnl::primitive_attr result;
  result.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return result;
}

void append_relu(dnnl::post_ops& ops) {
#if DNNL_VERSION_MAJOR < 3
  ops.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
#else
  ops.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
#endif
}

dnnl::lrn_forward::primitive_desc describe_lrn(const Desc& x, int64_t size, float alpha, float beta, float bias) {
  constexpr auto kAcross = dnnl::algorithm::lrn_across_channels;
#if DNNL_VERSION_MAJOR < 3
  return describe<dnnl::lrn_forward>(attributes(), kInference, kAcross, x, size, alpha, beta, bias);
#else
  return describe<dnnl::lrn_forward>(attributes(), kInference, kAcross, x, x, size, alpha, beta, bias);
#endif
}

void multiply_transposed(int64_t rows, int64_t columns, int64_t depth, const float* a, const float* b, float* c,
                         bool more) {
  const dnnl::status status =
      dnnl::sgemm('T', 'N', rows, columns, depth, 1.0f, a, rows, b, columns, more ? 1.0f : 0.0f, c, columns);
  require(status == dnnl::status::success, ErrorKind::internal, "oneDNN refused a product {}x{}x{} (status {})", rows,
          columns, depth, static_cast<int>(status));
}

std::string implementation(const dnnl::primitive_desc_base& description) {
  return fmt::format("onednn {}", description.impl_info_str());
}

bool is_reference(const dnnl::primitive_desc_base& description) {
  return std::string_view(description.impl_info_str()).find("ref") != std::string_view::npos;
}

struct Execution::State {
  struct Argument {
    dnnl::memory memory;
    From from;
    size_t index;
    void* current = nullptr;
  };
  dnnl::primitive primitive;
  std::vector<Argument> arguments;
  std::vector<dnnl_exec_arg_t> c_arguments;
};

Execution::Execution(const dnnl::primitive& primitive) : state_(std::make_shared<State>()) {
  state_->primitive = primitive;
}

void Execution::bind(int argument, const Desc& desc, From from, size_t index) {
  dnnl::memory memory(desc, engine(), DNNL_MEMORY_NONE);
  state_->c_arguments.push_back({argument, memory.get()});
  state_->arguments.push_back({std::move(memory), from, index});
}

void Execution::operator()(const Buffers& buffers) const {
  for (State::Argument& a : state_->arguments) {
    std::byte* at = a.from == From::input    ? buffers.in[a.index]
                    : a.from == From::output ? buffers.out[a.index]
                                             : buffers.scratch + a.index;
    if (a.current == at) continue;
    // This also writes zeros to the padding of blocked layouts, which is what they hold anyway.
    dnnl_memory_set_data_handle(a.memory.get(), at);
    a.current = at;
  }
  const State& s = *state_;
  const dnnl_status_t status = dnnl_primitive_execute(s.primitive.get(), stream().get(),
                                                      static_cast<int>(s.c_arguments.size()), s.c_arguments.data());
  require(status == dnnl_success, ErrorKind::internal, "oneDNN refused to run (status {})", static_cast<int>(status));
}

size_t scratch_bytes(const dnnl::primitive_desc_base& description) { return description.scratchpad_desc().get_size(); }

void bind_scratchpad(Execution& execution, const dnnl::primitive_desc_base& description, size_t offset) {
  if (scratch_bytes(description) > 0) execution.scratch(DNNL_ARG_SCRATCHPAD, description.scratchpad_desc(), offset);
}

Lowering reorder(const Desc& from, const Desc& to) {
  const dnnl::reorder::primitive_desc description(engine(), from, engine(), to, attributes());
  Execution execution{dnnl::reorder(description)};
  execution.input(DNNL_ARG_FROM, from, 0);
  execution.output(DNNL_ARG_TO, to, 0);
  bind_scratchpad(execution, description);
  Lowering result;
  result.implementation = implementation(description);
  result.scratch = scratch_bytes(description);
  result.run = execution;
  return result;
}

}  // namespace fovea::onednn
